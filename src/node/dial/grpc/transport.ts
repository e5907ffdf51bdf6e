import type * as http2 from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Address } from "../../../address/endpoint.ts";
import { startDeadline } from "../../../call/time/deadline.ts";
import type { CallEnds } from "../../../call/until-call-ends.ts";
import { untilCallEnds } from "../../../call/until-call-ends.ts";
import type { CallScope } from "../../../client/calls/call-scope.ts";
import { takeRequest } from "../../../ttrpc/client/streaming-call.ts";
import type { Http2Connection } from "../http2-connection.ts";
import type { GrpcListener } from "./grpc-call.ts";
import { GrpcCall } from "./grpc-call.ts";
import { requestFields } from "./request-fields.ts";
import { callServerStreaming, callStreaming } from "./streaming-call.ts";
import { callUnary } from "./unary-call.ts";

/** Options for calls over gRPC. */
export interface GrpcTransportOptions {
  readonly connection: Http2Connection;
  /** The server's address, for messages. */
  readonly address: Pick<Address, "text">;
  /** Largest response message, in bytes. */
  readonly maxMessageBytes: number;
}

/**
 * Calls over gRPC, each straight on a stream of HTTP/2. They compress nothing, as on one machine that costs more than it saves.
 * When its scope ends, so do they.
 */
export function createGrpcTransport({ connection, address, maxMessageBytes }: GrpcTransportOptions): CallScope {
  const calls = new Set<GrpcCall>();
  const closing = new AbortController();

  /** What is open, or is opened now: so long a call waits that is not begun yet. */
  async function connect(ends: CallEnds): Promise<http2.ClientHttp2Session> {
    closing.signal.throwIfAborted();
    if (ends.signal?.aborted) {
      throw ConnectError.from(ends.signal.reason, Code.Canceled);
    }
    return connection.current ?? (await untilCallEnds(connection.open(), { ...ends, closing: closing.signal }));
  }

  function opener(
    session: http2.ClientHttp2Session,
    method: DescMethod,
    { signal, timeoutMs }: CallEnds,
    header: HeadersInit | undefined,
  ) {
    const options = { connection, session, address, calls, maxMessageBytes, signal, timeoutMs };
    return (listener: GrpcListener) => new GrpcCall(requestFields(method, timeoutMs, header), options, listener);
  }

  return {
    transport: {
      async unary(method, signal, timeoutMs, header, input) {
        const deadline = startDeadline(timeoutMs);
        const session = await connect({ signal, timeoutMs: deadline?.left() });
        return callUnary(opener(session, method, { signal, timeoutMs: deadline?.left() }, header), method, input);
      },
      async stream(method, signal, timeoutMs, header, input) {
        const deadline = startDeadline(timeoutMs);
        const ends = () => ({ signal, timeoutMs: deadline?.left() });
        // Before anything is read of the caller's messages, which another route may need.
        const session = await connect(ends());
        if (method.methodKind !== "server_streaming") {
          return callStreaming(opener(session, method, ends(), header), method, input);
        }
        const request = await takeRequest(input, { ...ends(), closing: closing.signal });
        return callServerStreaming(opener(await connect(ends()), method, ends(), header), method, request);
      },
    },
    end(reason) {
      const error = ConnectError.from(reason, Code.Canceled);
      closing.abort(error);
      for (const call of calls) {
        call.cancel(error);
      }
    },
  };
}
