import type * as http from "node:http";
import type * as http2 from "node:http2";
import { Code } from "@connectrpc/connect";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import type { Log } from "../../base/log.ts";
import type { NamedHost } from "../../http/hosts.ts";
import { isHostAndPort } from "../../http/hosts.ts";
import type { HttpRequest, RequestHandler } from "../../http/request-handler.ts";
import { internalError } from "../../http/request-handler.ts";
import { maxOwnHeaderBytes } from "../../http/response-headers.ts";
import { requestPeer } from "../conninfo.ts";
import { maxFieldBytes } from "../http2/max-field-bytes.ts";
import type { TrustedProxy } from "../trusted-proxy.ts";
import type { NodeResponse } from "./write-response.ts";
import { clearHead, writeResponse } from "./write-response.ts";

/** A request of either version of HTTP. */
export type NodeRequest = http.IncomingMessage | http2.Http2ServerRequest;

/** Handles requests of both HTTP versions. */
export type HttpHandler = (request: NodeRequest, response: NodeResponse) => void;

/** Options for requests of Node's, which don't tell these by themselves. */
export interface AdapterOptions {
  /** True if connections are in TLS. */
  readonly secure: boolean;
  /** The proxy that is trusted to say where requests come from. Default: none. */
  readonly proxy?: TrustedProxy | undefined;
  /** Milliseconds that a caller may take nothing of a response. Default: for ever. */
  readonly idleTimeoutMs: number | undefined;
  /** Is given what may run on when its call has ended: a handler. */
  readonly waitUntil: (running: Promise<unknown>) => void;
  readonly log: Log;
}

/**
 * Lets a portable handler handle Node's requests. Connect's own adapter for Node lets a request without a usable Host header
 * end the process, and prints every broken connection; hence this one.
 */
export function adapt(handle: RequestHandler<HttpRequest>, options: AdapterOptions): HttpHandler {
  return (request, response) => {
    // Connect listens for errors of a request until its response has ended. One that comes later, as that of the connection
    // of a request behind others, would end the process.
    request.on("error", ignore);
    response.on("error", ignore);
    respond(request, response).catch((error: unknown) => {
      options.log.line("ERROR", "a request failed before its response began:", error);
      response.destroy();
    });
  };

  async function respond(request: NodeRequest, response: NodeResponse) {
    const incoming = toHttpRequest(request, response, options);
    const outgoing = await handle(incoming);
    const { idleTimeoutMs, log } = options;
    const writeOptions = { idleTimeoutMs, maxFieldBytes: incoming.maxFieldBytes, log };
    try {
      await writeResponse(outgoing, response, writeOptions);
    } catch {
      // The caller has gone, or what the plugin has put into headers can't be sent.
      if (response.headersSent) {
        response.destroy();
      } else {
        clearHead(response);
        await writeResponse(internalError(incoming, outgoing.fields), response, writeOptions);
      }
    }
  }
}

function toHttpRequest(request: NodeRequest, response: NodeResponse, options: AdapterOptions): HttpRequest {
  const { secure, proxy, waitUntil } = options;
  const known = {
    path: request.url?.split("?", 1)[0] ?? "",
    host: namedHost(request),
    secure,
    peer: requestPeer(request, proxy),
    waitUntil,
    // Over HTTP/1.1, what Node's own clients take.
    maxFieldBytes: () => ("stream" in request ? maxFieldBytes(request.stream.session) : maxOwnHeaderBytes),
  };
  try {
    ensureUrl(request);
    const { body, ...read } = universalRequestFromNodeRequest(request, response, undefined, undefined);
    // Connect has parsed JSON there, too, if it was given any.
    return { ...known, ...read, body: body as AsyncIterable<Uint8Array> };
  } catch {
    const message = "the request's headers can't be read";
    return {
      ...known,
      httpVersion: request.httpVersion,
      method: request.method ?? "",
      url: "",
      header: new Headers(),
      body: null,
      signal: AbortSignal.abort(),
      refusal: { status: 400, code: Code.InvalidArgument, message },
    };
  }
}

/** The host that a request is for: `Host`, or `:authority` in HTTP/2. */
export function namedHost(request: NodeRequest): NamedHost {
  const { rawHeaders } = request;
  const fields: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "host") {
      fields.push(rawHeaders[index + 1] ?? "");
    }
  }
  return { authority: "stream" in request ? request.authority : undefined, fields };
}

/** Lets a request whose authority or path can't be part of a URL have those with which it can be refused. */
function ensureUrl(request: NodeRequest): void {
  // Only what is no path, or may begin with an authority, can be malformed.
  if (!/^\/(?!\/)/.test(request.url ?? "") && !URL.canParse(request.url ?? "", "http://localhost")) {
    request.url = "/";
  }
  if ("stream" in request) {
    if (!isHostAndPort(request.authority ?? "")) {
      // Of the request's class, which reads it from the headers.
      Object.defineProperty(request, "authority", { value: "localhost" });
    }
  } else if (!isHostAndPort(request.headers.host ?? "")) {
    request.headers.host = "localhost";
  }
}

function ignore() {
  // What reads or writes is told.
}
