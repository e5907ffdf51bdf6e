import { Code } from "@connectrpc/connect";
import { isPlugboardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { PlainResponse, RequestRefusal } from "../call/refuse-request.ts";
import { noSuchMethod, refuseRequest } from "../call/refuse-request.ts";
import { requestIdFor, requestIdHeader } from "../call/request-id.ts";
import { crossOrigin } from "./cors.ts";
import type { HostRule, NamedHost } from "./hosts.ts";
import { refuseHost } from "./hosts.ts";
import type { HeaderField } from "./response-headers.ts";
import { fitResponseHeaders, securityHeaders } from "./response-headers.ts";
import type { CallHandler, CallRequest, CallResponse } from "./wire/carrier.ts";

/** A request, as a platform hands it over. */
export interface HttpRequest extends CallRequest {
  /** As it was sent, without the query: each method has one path. Where a plugin is mounted, what comes below that. */
  readonly path: string;
  readonly host: NamedHost;
  /** True if it came over HTTPS. */
  readonly secure: boolean;
  /** The platform's reason for refusing it. */
  readonly refusal?: RequestRefusal | undefined;
  /** Most bytes of a response's header, as HTTP/2 counts them; asked when there is one. */
  readonly maxFieldBytes: () => number;
}

/** A response, as a platform sends it. */
export interface HttpResponse extends CallResponse {
  /** Go before those of `header`, which replace them. */
  readonly fields: readonly HeaderField[];
  /** Nothing is served at the path. */
  readonly notFound?: true;
}

/** Options for handling requests. */
export interface RequestHandlerOptions<Request extends HttpRequest> {
  /** Looks up what handles a path. It fails if the plugin can't start. */
  readonly find: (path: string, request: Request) => CallHandler | undefined | Promise<CallHandler | undefined>;
  /** The reason why the plugin takes no calls, in a word; `undefined` if it takes them. */
  readonly unready: (request: Request) => string | undefined | Promise<string | undefined>;
  /** Added to the refusal of a path that is none of a method's. */
  readonly howToCall?: string | undefined;
  /** Pages beside the plugin's methods. A page's headers replace those of every response. */
  readonly page?: ((path: string, request: Request) => PlainResponse | undefined) | undefined;
  /** Origins whose pages may call. */
  readonly origins: readonly string[];
  /** Gets an origin that is refused. */
  readonly originRefused?: ((origin: string) => void) | undefined;
  /** Default: any host. */
  readonly hosts?: HostRule | undefined;
  /** `Strict-Transport-Security` of responses over HTTPS. */
  readonly hsts?: string | undefined;
  /** True if responses depend on the caller. */
  readonly personal: boolean;
  readonly log: Log;
}

/** Handles a request over HTTP, whatever the platform. It never rejects. */
export type RequestHandler<Request extends HttpRequest> = (request: Request) => Promise<HttpResponse>;

/** Makes the handler of all requests: calls, preflight requests, health, and what is refused. */
export function createRequestHandler<Request extends HttpRequest>(
  options: RequestHandlerOptions<Request>,
): RequestHandler<Request> {
  const { find, unready, howToCall, page, origins, originRefused, hosts, hsts, personal, log } = options;

  return async (request) => {
    const { header, method, path, secure } = request;
    const requestId = requestIdFor(header.get(requestIdHeader));
    const secured = securityHeaders(requestId, secure ? hsts : undefined);
    const refusal =
      refuseHost(request.host, request.httpVersion.startsWith("2"), hosts) ??
      request.refusal ??
      refuseExpectation(header);
    if (refusal !== undefined) {
      return refused(request, refusal, secured);
    }
    const cors = crossOrigin(
      origins,
      {
        method,
        origin: header.get("Origin"),
        requestMethod: method === "OPTIONS" ? header.get("Access-Control-Request-Method") : undefined,
      },
      originRefused,
    );
    const fields = cors.headers.length === 0 ? secured : [...secured, ...cors.headers];
    if (cors.preflight) {
      return { status: 204, fields };
    }
    try {
      const found = find(path, request);
      const handle = found instanceof Promise ? await found : found;
      if (handle === undefined) {
        const other = await readOther(request);
        return other === undefined
          ? { ...refused(request, noSuchMethod(path, howToCall), fields), notFound: true }
          : respondWhole(method, other, fields);
      }
      const response = await handle(request, requestId);
      const own = response.header;
      if (own !== undefined) {
        fitResponseHeaders(own, { method, status: response.status, personal, maxBytes: request.maxFieldBytes(), log });
        for (const [name] of cors.headers) {
          own.delete(name);
        }
      }
      return { ...response, fields };
    } catch (error) {
      return failed(request, error, fields, log);
    }
  };

  async function readOther(request: Request): Promise<PlainResponse | undefined> {
    const { method, path } = request;
    if (method !== "GET" && method !== "HEAD") {
      return undefined;
    }
    if (path === "/healthz") {
      return json(200, { status: "ok" });
    }
    if (path === "/readyz") {
      const reason = await unready(request);
      return reason === undefined ? json(200, { status: "ok" }) : json(503, { status: reason });
    }
    return page?.(path, request);
  }
}

/** Nothing but 100-continue can be expected, which a platform responds to by itself (RFC 9110, section 10.1.1). */
function refuseExpectation(header: Headers): RequestRefusal | undefined {
  const expected = header.get("Expect");
  return expected === null || expected.toLowerCase() === "100-continue"
    ? undefined
    : { status: 417, code: Code.InvalidArgument, message: "nothing but 100-continue can be expected" };
}

function refused(request: HttpRequest, refusal: RequestRefusal, fields: readonly HeaderField[]): HttpResponse {
  return respondWhole(request.method, refuseRequest(refusal, request.header.get("Content-Type")), fields);
}

/** The cause of a failed start is for those who run the plugin, not for its callers. */
function failed(request: HttpRequest, error: unknown, fields: readonly HeaderField[], log: Log): HttpResponse {
  const isStart = isPlugboardError(error);
  // A caller that has gone is no failure.
  if (isStart || !request.signal.aborted) {
    log.line("ERROR", "a request failed:", error);
  }
  return internalError(request, fields, isStart ? "the plugin can't start; its log says why" : "internal error");
}

/** The response in place of one that can't be sent. */
export function internalError(
  request: HttpRequest,
  fields: readonly HeaderField[],
  message = "internal error",
): HttpResponse {
  return refused(request, { status: 500, code: Code.Internal, message }, fields);
}

function json(status: number, value: object): PlainResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
}

function respondWhole(
  method: string,
  { status, headers, body }: PlainResponse,
  fields: readonly HeaderField[],
): HttpResponse {
  const header = new Headers(headers);
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  if (bytes.byteLength === 0) {
    return { status, fields, header };
  }
  header.set("Content-Length", String(bytes.byteLength));
  return { status, fields, header, ...(method !== "HEAD" && { body: bytes }) };
}
