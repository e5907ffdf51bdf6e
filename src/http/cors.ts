import { cors } from "@connectrpc/connect";
import type { Log } from "../base/log.ts";
import { createRareLog } from "../base/log-rarely.ts";
import { printableLine } from "../base/printable.ts";
import { requestIdHeader } from "../call/request-id.ts";
import type { HeaderField } from "./response-headers.ts";

/** Seconds that a browser may keep the response to a preflight. */
const maxAgeSeconds = 2 * 60 * 60;

const allowedHeaders = [...cors.allowedHeaders, "Authorization", requestIdHeader, "Traceparent", "Tracestate"];
const exposedHeaders = [...cors.exposedHeaders, requestIdHeader, "Retry-After"];

/** The parts of a request that tell where it comes from. */
export interface CrossOriginRequest {
  readonly method: string;
  readonly origin: string | null | undefined;
  /** `Access-Control-Request-Method`, which a preflight has. */
  readonly requestMethod: string | null | undefined;
}

/** The CORS headers for a request from another origin. */
export interface CrossOriginResponse {
  readonly headers: readonly HeaderField[];
  /** True for a preflight: its response is these headers alone. */
  readonly preflight: boolean;
}

const none: CrossOriginResponse = { headers: [], preflight: false };

/** True if pages of an origin may call. */
export function allowsOrigin(origins: readonly string[], origin: string): boolean {
  return origins.includes(origin) || origins.includes("*");
}

/** Logs origins that were refused, one in ten seconds. */
export function createOriginLog(log: Log): (origin: string) => void {
  const logRarely = createRareLog(log);
  return (origin) => {
    const shown = printableLine(origin.slice(0, 200));
    logRarely("origin", "WARNING", `origin ${shown} is not allowed; add it to \`origins\``);
  };
}

/**
 * Lets pages of the origins call, by the headers of CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): what Connect
 * needs, and authorization, request id, trace context and `Retry-After`.
 * @param onRefused Gets the origin of a preflight that is refused.
 */
export function crossOrigin(
  origins: readonly string[],
  request: CrossOriginRequest,
  onRefused?: (origin: string) => void,
): CrossOriginResponse {
  const { method, origin, requestMethod } = request;
  const asksFirst = method === "OPTIONS" && requestMethod !== null && requestMethod !== undefined;
  if (origin === null || origin === undefined) {
    return none;
  }
  if (!allowsOrigin(origins, origin)) {
    if (asksFirst) {
      onRefused?.(origin);
    }
    return none;
  }
  const headers: HeaderField[] = [
    ["Access-Control-Allow-Origin", origin],
    ["Access-Control-Expose-Headers", exposedHeaders.join(", ")],
  ];
  if (!asksFirst) {
    return { headers, preflight: false };
  }
  headers.push(
    ["Access-Control-Allow-Methods", cors.allowedMethods.join(", ")],
    ["Access-Control-Allow-Headers", allowedHeaders.join(", ")],
    ["Access-Control-Max-Age", String(maxAgeSeconds)],
  );
  return { headers, preflight: true };
}
