import type * as http from "node:http";
import type * as http2 from "node:http2";
import { cors } from "@connectrpc/connect";

type Request = http.IncomingMessage | http2.Http2ServerRequest;
type Response = http.ServerResponse | http2.Http2ServerResponse;

/** How long a browser may keep the answer to a preflight, in seconds. */
const maxAgeSeconds = 2 * 60 * 60;

/**
 * Lets pages of the origins call, by the headers of CORS (https://fetch.spec.whatwg.org/#http-cors-protocol). Returns
 * true if the request was a preflight and is answered.
 */
export function allowOrigins(origins: readonly string[], request: Request, response: Response): boolean {
  if (origins.length === 0) {
    return false;
  }
  response.setHeader("Vary", "Origin");
  const { origin } = request.headers;
  if (origin === undefined || !origins.includes(origin)) {
    return false;
  }
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Expose-Headers", cors.exposedHeaders.join(", "));
  if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined) {
    return false;
  }
  response.setHeader("Access-Control-Allow-Methods", cors.allowedMethods.join(", "));
  response.setHeader("Access-Control-Allow-Headers", cors.allowedHeaders.join(", "));
  response.setHeader("Access-Control-Max-Age", String(maxAgeSeconds));
  // Both kinds of response have it; their types differ in what it returns.
  (response as http.ServerResponse).writeHead(204).end();
  return true;
}
