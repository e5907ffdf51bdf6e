import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { howToCall } from "../../call/not-found.ts";
import { createRequestHandler } from "../../http/request-handler.ts";
import { createCallHandlers } from "../../http/wire/handlers.ts";
import type { HandleGrpc } from "../grpc/server/grpc-server.ts";
import { createGrpcServer } from "../grpc/server/grpc-server.ts";
import type { HttpServerOptions } from "../listen/protocol-server.ts";
import type { HttpHandler } from "./adapter.ts";
import { adapt } from "./adapter.ts";

/** Options for serving a plugin over HTTP. */
export interface HttpHandlerOptions
  extends Pick<HttpServerOptions, "table" | "policy" | "hsts" | "hosts" | "proxy" | "origins" | "originRefused"> {
  /** Aborts the signals of all handlers. */
  readonly shutdownSignal: AbortSignal;
  /** Serve gRPC alone. Default: Connect and gRPC-Web, too. */
  readonly onlyGrpc?: boolean;
  /** True while no new calls should come. */
  readonly draining: () => boolean;
  /** Is given what may run on when its call has ended: a handler. */
  readonly keepAlive?: (running: Promise<unknown>) => void;
}

/** What handles requests. */
export interface HttpHandlers {
  readonly handle: HttpHandler;
  /** Handles those of HTTP/2 first, of which most are calls of gRPC. */
  readonly handleGrpc: HandleGrpc;
}

/** The compressions that are known. */
const compressions = [compressionGzip, compressionBrotli].map(refuseBroken);

/** Serves Connect, gRPC and gRPC-Web, and says at /healthz and /readyz how the process is. */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandlers {
  const { table, policy, hsts, shutdownSignal, hosts, origins, originRefused, onlyGrpc = false, draining } = options;
  const { proxy, keepAlive = () => undefined } = options;
  const find = createCallHandlers(table, policy, {
    protocols: onlyGrpc ? ["grpc"] : ["connect", "grpc", "grpcWeb"],
    acceptCompression: compressions,
    compressMinBytes: 1024,
    shutdownSignal,
  });
  const handle = createRequestHandler({
    find,
    unready: () => (draining() ? "draining" : undefined),
    hosts,
    origins,
    originRefused,
    hsts,
    personal: policy.admit !== undefined,
    ...(!onlyGrpc && { howToCall: howToCall(policy.admit === undefined ? table.own : undefined) }),
    log: policy.log,
  });
  const { log } = policy;
  const { idleTimeoutMs } = policy.limits;
  // Only what is served in TLS has a value of it.
  return {
    handle: adapt(handle, { secure: hsts !== undefined, proxy, idleTimeoutMs, waitUntil: keepAlive, log }),
    handleGrpc: createGrpcServer({
      table,
      policy,
      shutdownSignal,
      hsts,
      hosts,
      proxy,
      compressions,
      waitUntil: keepAlive,
    }),
  };
}

/** Tells the caller that it is the caller's mistake if something can't be decompressed, in whatever way it is broken. */
function refuseBroken(compression: Compression): Compression {
  return {
    ...compression,
    async decompress(bytes, readMaxBytes) {
      try {
        return await compression.decompress(bytes, readMaxBytes);
      } catch (error) {
        const { code, rawMessage } = ConnectError.from(error);
        throw new ConnectError(rawMessage, code === Code.Internal ? Code.InvalidArgument : code);
      }
    },
  };
}
