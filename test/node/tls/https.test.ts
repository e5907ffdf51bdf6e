import { once } from "node:events";
import * as https from "node:https";
import type * as net from "node:net";
import type * as tls from "node:tls";
import type { ClientTls } from "plugboard";
import { connect as portableConnect } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { makeParties } from "../../support/tls/parties.ts";
import { startListener } from "../../support/tls/start-listener.ts";

const { server, other, mutual, trusted } = await makeParties();

describe("https:", () => {
  /** A server as others write them, which knows no PluginService. */
  async function startHttps(options: https.ServerOptions) {
    const running = https.createServer(
      { cert: server.certificate, key: server.key, ...options },
      (request, response) => {
        const socket = request.socket as tls.TLSSocket;
        response.writeHead(200, { "Content-Type": "application/json" });
        response.end(JSON.stringify({ manifest: { name: socket.authorized ? "knows-you" : "anonymous" } }));
      },
    );
    running.listen(0, "127.0.0.1");
    await once(running, "listening");
    const { port } = running.address() as net.AddressInfo;
    return { url: `https://localhost:${port}`, [Symbol.asyncDispose]: async () => void running.close() };
  }

  test("uses the roots and the certificate of the option tls", async () => {
    await using plugin = await startListener("tcp", mutual());
    const url = plugin.address.replace("tcp:", "https://");
    for (const protocol of ["connect", "grpc-web"] as const) {
      await using connection = await connect(url, { tls: trusted(), require: { protocols: [protocol] } });
      expect(connection.routes.unary.routes[0]?.name).toBe(`http+${protocol}`);
      expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
    }
  });

  test.each<[string, { options: https.ServerOptions; clientTls: () => ClientTls | undefined; errorCode: string }]>([
    ["without the roots", { options: {}, clientTls: () => undefined, errorCode: "PB-TLS-UNTRUSTED" }],
    [
      "without the right roots",
      { options: {}, clientTls: () => ({ roots: other.certificate }), errorCode: "PB-TLS-UNTRUSTED" },
    ],
    [
      "without the certificate that it wants",
      {
        options: { requestCert: true, rejectUnauthorized: true },
        clientTls: () => ({ roots: server.certificate }),
        errorCode: "PB-TLS-CLIENT-CERTIFICATE",
      },
    ],
  ])("is refused %s", async (_, { options, clientTls, errorCode }) => {
    await using server = await startHttps(options);
    const given = clientTls();
    await expect(connect(server.url, { ...(given && { tls: given }) })).rejects.toMatchObject({ errorCode });
  });

  test("is refused of a server that speaks http: there", async () => {
    await using listener = await startListener("tcp", undefined);
    const url = listener.address.replace("tcp:", "https://");
    await expect(connect(url)).rejects.toMatchObject({ errorCode: "PB-TLS-NOT-SPOKEN" });
    await expect(connect(url, { tls: trusted() })).rejects.toMatchObject({ errorCode: "PB-TLS-NOT-SPOKEN" });
  });

  test("can't use certificates of the caller's by fetch or by WebSocket, which negotiation says", async () => {
    const reason = expect.stringContaining("the caller's certificates (`tls`) can't be used there");
    await expect(connect("wss://localhost:1", { tls: trusted() })).rejects.toMatchObject({ message: reason });
    await expect(connect("https://localhost:1", { tls: trusted(), fetch })).rejects.toMatchObject({ message: reason });
    await expect(portableConnect("https://localhost:1", { tls: trusted() })).rejects.toMatchObject({ message: reason });
  });
});
