import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { CallOptions, Client, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";

type StreamingFunction = (input: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/**
 * Connect's client, with one thing added: leaving a `for await` loop over a response early cancels the call, where Connect
 * leaves it open until the connection ends, and its handler with it.
 * @param transport One of `readLate`.
 */
export function createCancellingClient<Service extends DescService>(
  service: Service,
  transport: Transport,
): Client<Service> {
  const client = createClient(service, transport);
  const streaming = service.methods.filter(respondsWithStream).map((method) => {
    // The method's kind says that it is a function from a request or requests to responses.
    const call = client[method.localName as keyof typeof client] as StreamingFunction;
    return [method.localName, cancelOnReturn(call)] as const;
  });
  return Object.assign(client, Object.fromEntries(streaming));
}

function respondsWithStream(method: DescMethod): boolean {
  return method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
}

function cancelOnReturn(call: StreamingFunction): StreamingFunction {
  return (input, options) => {
    const controller = new AbortController();
    const signal = options?.signal ? AbortSignal.any([options.signal, controller.signal]) : controller.signal;
    const messages = call(input, { ...options, signal });
    return {
      [Symbol.asyncIterator]() {
        const iterator = messages[Symbol.asyncIterator]();
        return {
          next: () => iterator.next(),
          async return() {
            controller.abort(new ConnectError("the caller stopped reading", Code.Canceled));
            // Settles what the abort has left, so that no rejection goes unhandled.
            await iterator.next().catch(() => undefined);
            return { done: true, value: undefined };
          },
        };
      },
    };
  };
}
