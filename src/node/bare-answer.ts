import * as http from "node:http";
import type { Duplex } from "node:stream";
import { requestIdFor } from "../rpc/request-id.ts";
import { securityHeaders } from "../rpc/response-headers.ts";

/**
 * Answers an HTTP/1.1 request that did not become one of Node's with a status alone, and closes the connection.
 * @param requestId Default: a new one.
 */
export function answerBare(
  socket: Duplex,
  status: number,
  hsts: string | undefined,
  requestId: string = requestIdFor(undefined),
): void {
  const fields = [
    ...securityHeaders(requestId, hsts),
    ...(status === 401 ? [["WWW-Authenticate", 'Bearer error="invalid_token"']] : []),
    ["Connection", "close"],
    ["Content-Length", "0"],
  ].map(([name, value]) => `${name}: ${value}`);
  socket.on("error", () => socket.destroy());
  socket.end([`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, ...fields, "", ""].join("\r\n"));
}
