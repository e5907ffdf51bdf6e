/** Our Node listener as the suite's server under test. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { defaultLog } from "../../../src/base/log.ts";
import { trustedLimits } from "../../../src/call/call-policy.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { readServerTls } from "../../../src/node/tls/credentials.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { readDelimited, writeDelimited } from "./delimited.ts";
import plugin from "./plugin.ts";

for await (const message of readDelimited(process.stdin)) {
  const { serverCreds, clientTlsCert, messageReceiveLimit } = fromBinary(ServerCompatRequestSchema, message);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const running = await startPlugin(plugin);
  const { address, drain } = await listen(
    running,
    { carrier: "tcp", host: "127.0.0.1", port: 0 },
    {
      policy: {
        limits: { ...trustedLimits, ...(messageReceiveLimit > 0 && { maxMessageBytes: messageReceiveLimit }) },
        log: defaultLog,
      },
      ...(serverCreds && {
        tls: await readServerTls({
          certificate: text(serverCreds.cert),
          key: text(serverCreds.key),
          ...(clientTlsCert.length > 0 && { clientRoots: text(clientTlsCert) }),
        }),
      }),
    },
  );
  process.once("SIGTERM", async () => {
    await drain(0);
    await running.stop();
    process.exit();
  });
  const response = create(ServerCompatResponseSchema, {
    host: "127.0.0.1",
    port: address.carrier === "tcp" ? address.port : 0,
    pemCert: serverCreds?.cert ?? new Uint8Array(),
  });
  writeDelimited(process.stdout, toBinary(ServerCompatResponseSchema, response));
}
