import * as http from "node:http";
import type { Duplex } from "node:stream";
import type { PlainResponse } from "../../call/refuse-request.ts";
import { requestIdFor } from "../../call/request-id.ts";
import type { HeaderField } from "../../http/response-headers.ts";
import { securityHeaders } from "../../http/response-headers.ts";

/** A refusal in plain words. */
export function inWords(status: number, message: string): PlainResponse {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: message };
}

/** Refuses an HTTP/1.1 request that did not become one of Node's, and closes the connection. */
export function sendBareResponse(
  socket: Duplex,
  { status, headers, body }: PlainResponse,
  hsts: string | undefined,
  requestId = requestIdFor(undefined),
): void {
  const fields: readonly HeaderField[] = [
    ...securityHeaders(requestId, hsts),
    ...Object.entries(headers),
    ["Connection", "close"],
    ["Content-Length", String(Buffer.byteLength(body))],
  ];
  const lines = fields.map(([name, value]) => `${name}: ${value}`);
  socket.on("error", () => socket.destroy());
  socket.write([`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, ...lines, "", ""].join("\r\n"));
  socket.end(body);
}
