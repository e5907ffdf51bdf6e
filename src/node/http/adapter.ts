import type * as http from "node:http";
import type * as http2 from "node:http2";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { log } from "../../base/log.ts";
import type { CallPolicy } from "../../call/call-policy.ts";
import { maxFieldBlockBytes } from "../../call/messages/connection-fields.ts";
import { peerKey } from "../../call/peer.ts";
import type { Answer } from "../../call/refuse-request.ts";
import { noSuchMethod, refuseRequest } from "../../call/refuse-request.ts";
import { requestIdFor, requestIdHeader, setRequestId } from "../../call/request-id.ts";
import { crossOrigin } from "../../http/cors.ts";
import { fitTrailers } from "../../http/fit-trailers.ts";
import { createHttpHandlers } from "../../http/handlers.ts";
import { connectProtocol, grpcProtocol, grpcWebProtocol } from "../../http/protocols.ts";
import type { HeaderField } from "../../http/response-headers.ts";
import { fitResponseHeaders, maxOwnHeaderBytes, securityHeaders } from "../../http/response-headers.ts";
import type { ServiceTable } from "../../plugin/service-table.ts";
import type { HostRule } from "../../policy/hosts.ts";
import { requestPeer } from "../conninfo.ts";
import type { TrustedProxy } from "../trusted-proxy.ts";
import { ensureHost, refuseHost } from "./host-header.ts";
import { breakOffUnread, followBody } from "./stalled-response.ts";

/** What an HTTP request is answered with. */
export interface HttpHandlerOptions {
  readonly table: ServiceTable;
  /** What holds for every call. */
  readonly policy: CallPolicy;
  /** Aborts the signals of all handlers. */
  readonly shutdownSignal: AbortSignal;
  /** `Strict-Transport-Security` of responses, where connections are in TLS. */
  readonly hsts?: string | undefined;
  /** Answer only requests for a host name of the loopback interface. */
  readonly onlyLoopbackHosts: boolean;
  /** Answers only requests for these hosts, instead. */
  readonly allowsHost?: HostRule | undefined;
  /** Whose word on where requests come from counts. Default: nobody's. */
  readonly proxy?: TrustedProxy | undefined;
  /** Origins whose pages may call. */
  readonly origins: readonly string[];
  /** Gets an origin that is refused. */
  readonly originRefused?: (origin: string) => void;
  /** Serve gRPC alone. Default: Connect and gRPC-Web, too. */
  readonly onlyGrpc?: boolean;
  /** True while no new calls should come. */
  readonly draining: () => boolean;
  /** Is given what may run on when its call has ended: a handler. */
  readonly keepAlive?: (running: Promise<unknown>) => void;
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
  const { idleTimeoutMs } = options.policy.limits;
  const { table, policy, hsts, shutdownSignal, onlyLoopbackHosts, origins, onlyGrpc = false, draining } = options;
  const protocols = onlyGrpc ? [grpcProtocol] : [grpcProtocol, grpcWebProtocol, connectProtocol];
  const find = createHttpHandlers(table, protocols, policy, {
    acceptCompression: [compressionGzip, compressionBrotli].map(refuseBroken),
    shutdownSignal,
  });

  return (request, response) => {
    // Connect listens for errors of a request until its answer has ended. One that comes later, as that of the connection
    // of a request behind others, would end the process.
    request.on("error", ignore);
    response.on("error", ignore);
    try {
      handleRequest(request, response);
    } catch (error) {
      // Thrown into Node's event, it would end the process.
      log("ERROR", "a request could not be answered:", error);
      response.destroy();
    }
  };

  function handleRequest(request: HttpRequest, response: HttpResponse) {
    const requestId = requestIdFor(request.headers[requestIdHeader.toLowerCase()]?.toString());
    const always = securityHeaders(requestId, hsts);
    setHeaders(response, always);
    const refusal = refuseHost(request, onlyLoopbackHosts, options.allowsHost);
    if (refusal !== undefined) {
      answer(response, refuseRequest(refusal, request.headers["content-type"]));
      return;
    }
    const { expect } = request.headers;
    if (expect !== undefined && expect.toLowerCase() !== "100-continue") {
      answerJson(response, 417, { code: "invalid_argument", message: "nothing but 100-continue can be expected" });
      return;
    }
    const { headers, preflight } = crossOrigin(
      origins,
      {
        method: request.method ?? "",
        origin: request.headers.origin,
        requestMethod: request.headers["access-control-request-method"],
      },
      options.originRefused,
    );
    setHeaders(response, headers);
    if (preflight) {
      // Both kinds of response have it; their types differ in what it returns.
      (response as http.ServerResponse).writeHead(204).end();
      breakOffUnread(response, idleTimeoutMs);
      return;
    }
    const path = request.url?.split("?", 1)[0] ?? "";
    const handle = find(path);
    if (handle === undefined) {
      answerOther(path, request, response);
      return;
    }
    let incoming: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      const values = createContextValues().set(peerKey, requestPeer(request, options.proxy));
      setRequestId(values, requestId);
      ensureHost(request);
      incoming = universalRequestFromNodeRequest(request, response, undefined, values);
    } catch {
      answerJson(response, 400, { code: "invalid_argument", message: "the request's headers can't be read" });
      return;
    }
    handle(incoming, options.keepAlive)
      .then((outgoing) => {
        const { header, trailer, status } = outgoing;
        const maxBytes = maxFieldBytes(request);
        if (header !== undefined) {
          const personal = policy.admit !== undefined;
          fitResponseHeaders(header, { method: request.method ?? "", status, personal, maxBytes });
        }
        const onEnd = () => trailer && fitTrailers(trailer, maxBytes);
        return universalResponseToNodeResponse(followBody(outgoing, response, idleTimeoutMs, onEnd), response);
      })
      .catch(() => {
        // The caller has gone, what it sent is no call at all, or what the plugin has put into headers can't be sent.
        if (response.headersSent) {
          response.destroy();
        } else {
          // Node has taken what came before it, such as the length of another answer.
          clear(response);
          setHeaders(response, [...always, ...headers]);
          answerJson(response, 500, { code: "internal", message: "internal error" });
        }
      })
      .catch((error: unknown) => {
        log("ERROR", "a request could not be answered:", error);
        response.destroy();
      });
  }

  function setHeaders(response: HttpResponse, headers: readonly HeaderField[]) {
    for (const [name, value] of headers) {
      response.setHeader(name, value);
    }
  }

  /** Begins again with an answer that can't be sent. */
  function clear(response: HttpResponse) {
    for (const name of response.getHeaderNames()) {
      response.removeHeader(name);
    }
    if (!("stream" in response)) {
      response.statusMessage = "";
    }
  }

  function answerOther(path: string, request: HttpRequest, response: HttpResponse) {
    const reading = request.method === "GET" || request.method === "HEAD";
    if (reading && path === "/readyz" && draining()) {
      answerJson(response, 503, { status: "draining" });
    } else if (reading && (path === "/healthz" || path === "/readyz")) {
      answerJson(response, 200, { status: "ok" });
    } else {
      answer(response, refuseRequest(noSuchMethod(path), request.headers["content-type"]));
    }
  }

  function answerJson(response: HttpResponse, status: number, body: object) {
    answer(response, { status, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }

  function answer(response: HttpResponse, { status, headers, body }: Answer) {
    response.statusCode = status;
    setHeaders(response, Object.entries(headers));
    // Both kinds of response have it; their types differ in what it takes. To HEAD, Node leaves the body out by itself.
    // Without a body nothing may follow the headers in HTTP/2: they are what gRPC takes for trailers.
    (response as http.ServerResponse).end(body === "" ? undefined : body);
    breakOffUnread(response, idleTimeoutMs);
  }
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

/** What goes beside a handler's headers in each answer, in bytes, generously. */
const ofEveryAnswer = 1024;

/** How long headers or trailers may be: what the caller takes, if it says so. Statuses have to get through in any case. */
function maxFieldBytes(request: HttpRequest): number {
  if (!("stream" in request)) {
    return maxOwnHeaderBytes;
  }
  // There is none when the caller has gone already.
  const said = request.stream.session?.remoteSettings.maxHeaderListSize ?? maxFieldBlockBytes;
  return Math.max(1024, Math.min(said, maxFieldBlockBytes) - ofEveryAnswer);
}

function ignore() {
  // Whoever reads or writes is told.
}
