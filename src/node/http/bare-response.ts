import * as http from "node:http";
import type { Duplex } from "node:stream";
import { requestIdFor } from "../../call/request-id.ts";
import type { HeaderField } from "../../http/response-headers.ts";
import { securityHeaders } from "../../http/response-headers.ts";

/** Why a request is refused. */
export interface BareRefusal {
  readonly status: number;
  /** A sentence for the caller. */
  readonly message: string;
}

/** How a request is refused. */
export interface BareAnswer {
  /** Default: a new one. */
  readonly requestId?: string;
  readonly fields?: readonly HeaderField[];
  /** The code of an error as Connect has it. Default: plain words. */
  readonly code?: string;
}

/** Refuses an HTTP/1.1 request that did not become one of Node's, by a status and in words, and closes the connection. */
export function answerBare(
  socket: Duplex,
  { status, message }: BareRefusal,
  hsts: string | undefined,
  { requestId = requestIdFor(undefined), fields = [], code }: BareAnswer = {},
): void {
  const body = code === undefined ? message : JSON.stringify({ code, message });
  const all: readonly HeaderField[] = [
    ...securityHeaders(requestId, hsts),
    ...(status === 401 ? [["WWW-Authenticate", 'Bearer error="invalid_token"'] as const] : []),
    ...fields,
    ["Connection", "close"],
    ["Content-Type", code === undefined ? "text/plain; charset=utf-8" : "application/json"],
    ["Content-Length", String(Buffer.byteLength(body))],
  ];
  const lines = all.map(([name, value]) => `${name}: ${value}`);
  socket.on("error", () => socket.destroy());
  socket.end([`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, ...lines, "", body].join("\r\n"));
}
