import type * as http from "node:http";
import type * as http2 from "node:http2";
import type { Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { ServiceTable } from "../plugin/service-table.ts";

/** What an HTTP request is answered with. */
export interface HttpHandlerOptions {
  readonly table: ServiceTable;
  readonly interceptors: readonly Interceptor[];
  /** Largest request message, in bytes. */
  readonly maxMessageBytes: number;
  /** Aborts the signals of all handlers. */
  readonly shutdownSignal: AbortSignal;
  /** True while no new calls should come. */
  readonly draining: () => boolean;
}

/** Handles requests of both HTTP versions. */
export type HttpHandler = (
  request: http.IncomingMessage | http2.Http2ServerRequest,
  response: http.ServerResponse | http2.Http2ServerResponse,
) => void;

/** Serves Connect, gRPC and gRPC-Web, and says at /healthz and /readyz how the process is. */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler {
  const { table, interceptors, maxMessageBytes, shutdownSignal, draining } = options;
  return connectNodeAdapter({
    routes: (router) => table.registerWith(router),
    interceptors: [...interceptors],
    readMaxBytes: maxMessageBytes,
    shutdownSignal,
    fallback(request, response) {
      const path = request.url?.split("?", 1)[0];
      const reading = request.method === "GET" || request.method === "HEAD";
      const [status, body] =
        reading && path === "/healthz"
          ? [200, { status: "ok" }]
          : reading && path === "/readyz"
            ? draining()
              ? [503, { status: "draining" }]
              : [200, { status: "ok" }]
            : [404, { code: "unimplemented", message: "no such method" }];
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(request.method === "HEAD" ? "" : JSON.stringify(body));
    },
  }) as HttpHandler;
}
