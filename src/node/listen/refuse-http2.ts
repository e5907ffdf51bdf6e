import * as http2 from "node:http2";
import type { Duplex } from "node:stream";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { PlugboardError } from "../../base/errors.ts";
import { requestIdFor } from "../../call/request-id.ts";
import { securityHeaders } from "../../http/response-headers.ts";

/** Fails every call on a connection with an error, without reading more of it than its headers. */
export function refuseHttp2(connection: Duplex, error: PlugboardError): void {
  const server = http2.createServer({ maxSessionMemory: 1, settings: { maxConcurrentStreams: 16 } });
  server.on("sessionError", () => connection.destroy());
  server.on("unknownProtocol", () => connection.destroy());
  server.on("stream", (stream, headers) => {
    stream.on("error", () => stream.destroy());
    const always = Object.fromEntries(securityHeaders(requestIdFor(undefined), undefined));
    if (/^application\/grpc/i.test(headers["content-type"] ?? "")) {
      stream.respond(
        {
          ...always,
          ":status": 200,
          "content-type": headers["content-type"],
          "grpc-status": String(error.code),
          "grpc-message": encodeURIComponent(error.rawMessage),
        },
        { endStream: true },
      );
    } else {
      stream.respond({ ...always, ":status": 403, "content-type": "application/json" });
      stream.end(JSON.stringify({ code: codeToString(error.code), message: error.rawMessage }));
    }
    stream.close();
  });
  server.emit("connection", connection);
}
