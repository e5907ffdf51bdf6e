import type { Duplex } from "node:stream";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { PlugboardError } from "../../base/errors.ts";
import { requestIdFor } from "../../call/request-id.ts";
import { securityHeaders } from "../../http/response-headers.ts";
import { encodeResponse } from "../../ttrpc/wire/envelope.ts";
import { frameFlag, frameType, headerBytes, uint32, writeHeader } from "../../ttrpc/wire/frame.ts";
import { toStatus } from "../../ttrpc/wire/status.ts";
import { onFirstBytes } from "./first-bytes.ts";
import type { Sniffed } from "./sniff.ts";

/**
 * Tells the peer why it is not served, in the protocol that it speaks, and closes the connection. Nothing is known of
 * the peer, so no more is read of it than that takes.
 * @param timeoutMs Milliseconds that all of that may take.
 */
export function refusePeer(connection: Duplex, error: PlugboardError, timeoutMs: number): void {
  const timer = setTimeout(() => connection.destroy(), timeoutMs);
  connection.once("close", () => clearTimeout(timer));
  connection.on("error", () => connection.destroy());
  // The response of ttrpc names the stream that its request names.
  onFirstBytes(connection, { timeoutMs, leastBytes: { ttrpc: headerBytes } }, (protocol, head) =>
    respond(connection, protocol, head, error),
  );
}

async function respond(connection: Duplex, protocol: Sniffed, head: Buffer, error: PlugboardError) {
  switch (protocol) {
    case "ttrpc":
      end(connection, ttrpcResponse(uint32(head, 4), error));
      break;
    case "http/1.1":
    case "tls":
      // To what is meant as TLS, too: every TLS library says of it that the other side speaks none.
      end(connection, http1Response(error));
      break;
    case "http/2":
      await refuseCalls(connection, error);
      break;
    case "unknown":
      connection.destroy();
  }
}

function end(connection: Duplex, said: Buffer) {
  connection.end(said);
  // Closing before all was read would have the other side lose the response.
  connection.resume();
}

async function refuseCalls(connection: Duplex, error: PlugboardError) {
  const { refuseHttp2 } = await import("./refuse-http2.ts");
  refuseHttp2(connection, error);
  process.nextTick(() => connection.resume());
}

function ttrpcResponse(streamId: number, error: PlugboardError): Buffer {
  const data = encodeResponse({ status: toStatus(error) });
  const header = Buffer.alloc(headerBytes);
  writeHeader(header, 0, data.byteLength, streamId, frameType.response, frameFlag.none);
  return Buffer.concat([header, data]);
}

function http1Response(error: PlugboardError): Buffer {
  const body = JSON.stringify({ code: codeToString(error.code), message: error.rawMessage });
  return Buffer.from(
    [
      ...http1Status(error.errorCode),
      ...securityHeaders(requestIdFor(undefined), undefined).map(([name, value]) => `${name}: ${value}`),
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n"),
  );
}

function http1Status(errorCode: string): readonly string[] {
  switch (errorCode) {
    case "PB-TLS-REQUIRED":
      // It has to name what it wants (RFC 9110, section 15.5.22; RFC 2817).
      return ["HTTP/1.1 426 Upgrade Required", "Upgrade: TLS/1.2", "Connection: Upgrade, close"];
    case "PB-TLS-NOT-SPOKEN":
      return ["HTTP/1.1 400 Bad Request", "Connection: close"];
    default:
      return ["HTTP/1.1 403 Forbidden", "Connection: close"];
  }
}
