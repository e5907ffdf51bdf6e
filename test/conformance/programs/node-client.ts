/**
 * Our dialers in Node as the suite's client under test. The argument says which of them call by HTTP/1.1: those of
 * "http:" addresses, those of "tcp:" ones, or "fetch".
 */
import { connect } from "plugboard/node";
import type { ClientCompatRequest } from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { HTTPVersion } from "../gen/connectrpc/conformance/v1/config_pb.ts";
import { call, protocolOf, withoutDescription } from "./call.ts";
import { makeCalls } from "./make-calls.ts";

const [, , carrier] = process.argv;
function connectAs(asked: ClientCompatRequest) {
  const { host, port, httpVersion, serverTlsCert, clientTlsCreds, messageReceiveLimit } = asked;
  const secure = serverTlsCert.length > 0;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const target =
    httpVersion === HTTPVersion.HTTP_VERSION_2 || carrier === "tcp"
      ? `tcp:${host}:${port}`
      : `${secure ? "https" : "http"}://${host}:${port}`;
  return connect(target, {
    require: {
      protocols: [protocolOf(asked)],
      ...(target.startsWith("tcp:") && { httpVersion: httpVersion === HTTPVersion.HTTP_VERSION_2 ? "2" : "1.1" }),
      ...(secure && { encryption: true }),
    },
    interceptors: [withoutDescription],
    ...(messageReceiveLimit > 0 && { maxMessageBytes: messageReceiveLimit }),
    ...(carrier === "fetch" && { fetch }),
    ...(secure && {
      tls: {
        roots: text(serverTlsCert),
        ...(clientTlsCreds && { certificate: text(clientTlsCreds.cert), key: text(clientTlsCreds.key) }),
      },
    }),
  });
}

process.once("SIGTERM", () => process.exit());
await makeCalls((asked) => call(asked, connectAs));
