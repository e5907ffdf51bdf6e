import * as http from "node:http";
import type { Duplex } from "node:stream";
import { requestIdFor } from "../rpc/request-id.ts";
import { securityHeaders } from "../rpc/response-headers.ts";

/** Why a request is refused. */
export interface BareRefusal {
  readonly status: number;
  /** A sentence for the caller. */
  readonly message: string;
}

/**
 * Refuses an HTTP/1.1 request that did not become one of Node's, by a status and in plain words, and closes the connection.
 * @param requestId Default: a new one.
 */
export function answerBare(
  socket: Duplex,
  { status, message }: BareRefusal,
  hsts: string | undefined,
  requestId: string = requestIdFor(undefined),
): void {
  const fields = [
    ...securityHeaders(requestId, hsts),
    ...(status === 401 ? [["WWW-Authenticate", 'Bearer error="invalid_token"']] : []),
    ["Connection", "close"],
    ["Content-Type", "text/plain; charset=utf-8"],
    ["Content-Length", String(Buffer.byteLength(message))],
  ].map(([name, value]) => `${name}: ${value}`);
  socket.on("error", () => socket.destroy());
  socket.end([`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, ...fields, "", message].join("\r\n"));
}
