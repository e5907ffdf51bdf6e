import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import * as net from "node:net";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Host } from "plugboard/node";
import { describe, test } from "vitest";
import { makeParties } from "../../support/tls/parties.ts";
import { describeForeignServer, expectChecks, serveOurs } from "./foreign.ts";
import { lacksPeers, peerCommands, socketFolder, startOnSocket, startPeer } from "./peer-process.ts";

const { python } = peerCommands;

describe.skipIf(lacksPeers("python"))("Python, for which `npm run peers` has to have run", () => {
  describeForeignServer({
    name: "grpcio",
    protocol: "grpc",
    start: () => startOnSocket(python("grpcio_server.py")),
  });

  for (const protocol of ["connect", "grpc-web"] as const) {
    describeForeignServer({
      name: `connectrpc over ${protocol}`,
      protocol,
      lacks: ["bidi"],
      async start() {
        const place = `127.0.0.1:${await freePort()}`;
        const server = await startPeer([...python("connect_server.py"), place]);
        return { address: `http://${place}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
      },
    });
  }

  describe("our server", () => {
    test.each(["unix", "tcp"])("serves grpcio over %s", async (carrier) => {
      await using folder = await socketFolder();
      const ours = await serveOurs(carrier === "unix" ? `unix:${folder.path}/s.sock` : "tcp:127.0.0.1:0");
      try {
        await expectChecks([...python("grpcio_client.py"), ours.address.replace("tcp:", "")]);
      } finally {
        await ours.stop();
      }
    });

    test.each(["unix", "tcp"])("serves grpcio with certificates on both sides over %s", async (carrier) => {
      await using folder = await socketFolder();
      const { server, client } = await makeParties();
      const file = async (name: string, content: string) => {
        await writeFile(join(folder.path, name), content);
        return join(folder.path, name);
      };
      const env = {
        PLUGIN_SERVER_CERT: pathToFileURL(await file("server.pem", server.certificate)).href,
        PLUGIN_SERVER_KEY: pathToFileURL(await file("server.key", server.key)).href,
        PLUGIN_CLIENT_ROOT_CERTS: pathToFileURL(await file("client.pem", client.certificate)).href,
      };
      const identity = [
        await file("roots.pem", server.certificate),
        join(folder.path, "client.pem"),
        await file("client.key", client.key),
      ];
      const ours = await serveOurs(carrier === "unix" ? `unix:${folder.path}/s.sock` : "tcp:127.0.0.1:0", env);
      try {
        await expectChecks([...python("grpcio_client.py"), ours.address.replace("tcp:", ""), ...identity]);
      } finally {
        await ours.stop();
      }
    });

    test.each(["connect", "grpc-web"])("serves connectrpc over %s", async (protocol) => {
      const ours = await serveOurs("tcp:127.0.0.1:0");
      try {
        await expectChecks([...python("connect_client.py"), ours.address.replace("tcp:", "http://"), protocol]);
      } finally {
        await ours.stop();
      }
    });
  });

  describe("pyvider-rpcplugin", () => {
    test("a host made with it starts our plugin and calls it, with automatic mutual TLS", async () => {
      const plugin = [process.execPath, "--conditions=plugboard-source", resolve("test/peers/plugin.ts")];
      await expectChecks([...python("pyvider_host.py"), ...plugin], { PLUGIN_LOG_LEVEL: "ERROR" });
    });

    describe.each([{ tls: undefined }, { tls: "auto" }] as const)("with tls: $tls", ({ tls }) => {
      describeForeignServer({
        name: "a plugin made with it",
        protocol: "grpc",
        discovered: false,
        async start() {
          const host = new Host();
          const loaded = await host.load({
            command: [...python("pyvider_plugin.py")] as [string, ...string[]],
            env: { PLUGIN_LOG_LEVEL: "ERROR" },
            handshake: { cookie: { key: "PLUGIN_MAGIC_COOKIE", value: "test_cookie_value" } },
            ...(tls !== undefined && { tls }),
          });
          return { connection: loaded, [Symbol.asyncDispose]: () => host.close() };
        },
      });
    });
  });
});

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
