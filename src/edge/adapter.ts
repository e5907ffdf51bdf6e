import type { Context, Next } from "hono";
import type { RequestRefusal } from "../call/refuse-request.ts";
import type { NamedHost } from "../http/hosts.ts";
import type { HttpRequest, HttpResponse, RequestHandler } from "../http/request-handler.ts";
import { maxOwnHeaderBytes } from "../http/response-headers.ts";
import { requestPeer } from "./conninfo.ts";
import type { RequestBody } from "./request-body.ts";
import { requestBody } from "./request-body.ts";
import { responseStream } from "./response-stream.ts";

/** A request at the edge. */
export interface EdgeRequest extends HttpRequest {
  readonly env: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Handles a request that has come to a Hono app.
 * @param next Without it, there is a response also where there is nothing.
 * @param refusal The reason why it is refused, if it is.
 */
export type EdgeAdapter = (context: Context, next?: Next, refusal?: RequestRefusal) => Promise<Response | undefined>;

/** Lets a portable handler handle Hono's requests. */
export function adapt(handle: RequestHandler<EdgeRequest>): EdgeAdapter {
  return async (context, next, refusal) => {
    const body = requestBody(context.req.raw);
    const outgoing = await handle(toHttpRequest(context, body, refusal));
    if (outgoing.notFound && next !== undefined) {
      body.release();
      await next();
      return undefined;
    }
    return toResponse(outgoing, body);
  };
}

function toHttpRequest(
  context: Context,
  { chunks, whole }: RequestBody,
  refusal: RequestRefusal | undefined,
): EdgeRequest {
  const { raw } = context.req;
  const url = new URL(raw.url);
  return {
    // Workers don't tell it. Whether both directions can flow at once is for the caller to know.
    httpVersion: "2",
    method: raw.method,
    url: raw.url,
    header: raw.headers,
    // Few calls have to listen.
    get signal() {
      return raw.signal;
    },
    body: chunks,
    whole,
    path: pathOf(context, url),
    host: namedHost(url),
    secure: url.protocol === "https:",
    peer: requestPeer(context),
    waitUntil: (running) => waitUntil(context, running),
    maxFieldBytes: () => maxOwnHeaderBytes,
    refusal,
    env: context.env,
  };
}

async function toResponse(outgoing: HttpResponse, { unread, readRest }: RequestBody): Promise<Response> {
  const { status, body } = outgoing;
  const headers = fieldsOf(outgoing);
  if (body !== undefined && !(body instanceof Uint8Array)) {
    return new Response(responseStream(body, readRest), { status, headers });
  }
  if (unread()) {
    await readRest();
  }
  return new Response(body ?? null, { status, headers });
}

/** The fields of every response, and those of this one, which replace them. */
function fieldsOf({ fields, header, contentType }: HttpResponse): HeadersInit {
  if (header === undefined) {
    // Faster than Headers, where there is nothing to replace.
    const all: Record<string, string> = Object.fromEntries(fields);
    if (contentType !== undefined) {
      all["Content-Type"] = contentType;
    }
    return all;
  }
  for (const [name, value] of fields) {
    if (!header.has(name)) {
      header.set(name, value);
    }
  }
  return header;
}

/** The host that a request is for, as the platform has understood it. */
export function namedHost({ host }: URL): NamedHost {
  return { authority: host, fields: [] };
}

/** The path of a request as it was sent, below the one at which the app is mounted: each segment of that is one of Hono's. */
export function pathOf({ req }: Context, { pathname }: URL): string {
  const mounted = req.routePath.replace(/\/?\*?$/, "");
  let start = 0;
  for (let segments = mounted.split("/").length - 1; segments > 0; segments--) {
    const end = pathname.indexOf("/", start + 1);
    start = end < 0 ? pathname.length : end;
  }
  return pathname.slice(start) || "/";
}

/**
 * Lets something run on when the caller has gone: a start that others wait for too, or a handler that cleans up. A
 * Worker drops the rest of it otherwise, finally blocks and all.
 */
export function waitUntil(context: Context, promise: Promise<unknown>): void {
  try {
    context.executionCtx.waitUntil(promise.catch(() => undefined));
  } catch {
    // allowed empty-catch: outside a Worker there is no execution context, and nothing that would end the start.
  }
}
