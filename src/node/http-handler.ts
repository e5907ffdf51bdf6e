import type * as http from "node:http";
import type * as http2 from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { ServiceTable } from "../plugin/service-table.ts";
import { createHttpHandlers } from "../rpc/http-handlers.ts";
import { allowOrigins } from "./cors.ts";
import { refuseHost } from "./request-host.ts";

/** What an HTTP request is answered with. */
export interface HttpHandlerOptions {
  readonly table: ServiceTable;
  /** Largest request message, in bytes. */
  readonly maxMessageBytes: number;
  /** Aborts the signals of all handlers. */
  readonly shutdownSignal: AbortSignal;
  /** Answer only requests for a host name of the loopback interface. */
  readonly onlyLoopbackHosts: boolean;
  /** Origins whose pages may call. */
  readonly origins: readonly string[];
  /** Serve gRPC alone. Default: Connect and gRPC-Web, too. */
  readonly onlyGrpc?: boolean;
  /** True while no new calls should come. */
  readonly draining: () => boolean;
}

/** Handles requests of both HTTP versions. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void;

type HttpRequest = http.IncomingMessage | http2.Http2ServerRequest;
type HttpResponse = http.ServerResponse | http2.Http2ServerResponse;

/**
 * Serves Connect, gRPC and gRPC-Web, and says at /healthz and /readyz how the process is.
 *
 * Connect's own adapter for Node lets a request without a usable Host header end the process, and prints every broken
 * connection; hence this one.
 */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler {
  const { table, maxMessageBytes, shutdownSignal, onlyLoopbackHosts, origins, onlyGrpc = false, draining } = options;
  const find = createHttpHandlers(table, {
    readMaxBytes: maxMessageBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    shutdownSignal,
    ...(onlyGrpc && { connect: false, grpcWeb: false }),
  });

  return (request, response) => {
    const refusal = refuseHost(request, onlyLoopbackHosts);
    if (refusal !== undefined) {
      const { status, ...error } = refusal;
      answerJson(response, status, error);
      return;
    }
    if (allowOrigins(origins, request, response)) {
      return;
    }
    const path = request.url?.split("?", 1)[0] ?? "";
    const handle = find(path);
    if (handle === undefined) {
      answerOther(path, request, response, draining());
      return;
    }
    let incoming: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      incoming = universalRequestFromNodeRequest(request, response, undefined, undefined);
    } catch {
      answerJson(response, 400, { code: "invalid_argument", message: "the request's headers can't be read" });
      return;
    }
    handle(incoming)
      .then((outgoing) => universalResponseToNodeResponse(endWithResponse(outgoing, response), response))
      .catch(() => {
        // The caller has gone, or what it sent is no call at all. Errors of the plugin never come here.
        if (response.headersSent) {
          response.destroy();
        } else {
          answerJson(response, 500, { code: "internal", message: "internal error" });
        }
      });
  };
}

/**
 * Ends what a handler still has to say when there is nobody any more to say it to. Connect waits for a stream that is full
 * to have room again, and Node tells of none if the stream is closed in the same turn that has made the room.
 */
function endWithResponse(outgoing: UniversalServerResponse, response: HttpResponse): UniversalServerResponse {
  const { body } = outgoing;
  if (body === undefined || body === null) {
    return outgoing;
  }
  const iterator = body[Symbol.asyncIterator]();
  response.once("close", () => {
    iterator.return?.().catch(() => undefined);
  });
  return { ...outgoing, body: { [Symbol.asyncIterator]: () => iterator } };
}

function answerOther(path: string, request: HttpRequest, response: HttpResponse, draining: boolean) {
  const reading = request.method === "GET" || request.method === "HEAD";
  if (reading && path === "/readyz" && draining) {
    answerJson(response, 503, { status: "draining" });
  } else if (reading && (path === "/healthz" || path === "/readyz")) {
    answerJson(response, 200, { status: "ok" });
  } else {
    answerJson(response, 404, { code: "unimplemented", message: "no such method" });
  }
}

function answerJson(response: HttpResponse, status: number, body: object) {
  // Node leaves the body of an answer to HEAD out by itself.
  (response as http.ServerResponse).writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}
