import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, Transport } from "@connectrpc/connect";
import { createContextValues } from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { EndedOnce } from "../../base/async/iterables.ts";
import { copyMetadata } from "../../call/messages/metadata.ts";
import { startDeadline } from "../../call/time/deadline.ts";
import { methodPath } from "../../plugin/method-path.ts";

/**
 * Runs a caller's interceptors around each call of a transport: once, whichever routes the call tries underneath. They
 * see what the caller has set, not what a protocol adds to it.
 */
export function interceptTransport(transport: Transport, interceptors: readonly Interceptor[]): Transport {
  if (interceptors.length === 0) {
    return transport;
  }
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const deadline = startDeadline(timeoutMs);
      return runUnaryCall({
        interceptors: [...interceptors],
        ...(signal && { signal }),
        ...(deadline && { timeoutMs: deadline.left() }),
        req: {
          stream: false,
          ...requestInit(method, header, contextValues),
          message: input,
        },
        next: (request) =>
          transport.unary(
            method,
            request.signal,
            deadline?.left(),
            request.header,
            request.message as typeof input,
            request.contextValues,
          ),
      });
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const deadline = startDeadline(timeoutMs);
      return runStreamingCall({
        interceptors: [...interceptors],
        ...(signal && { signal }),
        ...(deadline && { timeoutMs: deadline.left() }),
        req: {
          stream: true,
          ...requestInit(method, header, contextValues),
          message: new EndedOnce(input),
        },
        next: (request) =>
          transport.stream(
            method,
            request.signal,
            deadline?.left(),
            request.header,
            request.message as typeof input,
            request.contextValues,
          ),
      });
    },
  };
}

function requestInit<M extends DescMethod>(
  method: M,
  header: HeadersInit | undefined,
  contextValues: ContextValues | undefined,
) {
  return {
    service: method.parent,
    method,
    requestMethod: "POST",
    url: `plugboard:${methodPath(method)}`,
    header: copyMetadata(header),
    contextValues: contextValues ?? createContextValues(),
  };
}
