import { describe, test } from "vitest";
import { describeForeignServer, expectChecks, serveOurs } from "./foreign.ts";
import { lacksPeers, peerCommands, socketFolder, startOnSocket, startPeer } from "./peer-process.ts";

const { rust } = peerCommands;

describe.skipIf(lacksPeers("rust"))("Rust, for which `npm run peers` has to have run", () => {
  describeForeignServer({
    name: "ttrpc-rust's asynchronous server",
    protocol: "ttrpc",
    start: () => startOnSocket(rust("ttrpc-server"), (path) => `unix://${path}`),
  });
  describeForeignServer({
    name: "ttrpc-rust's blocking server",
    protocol: "ttrpc",
    lacks: ["streams"],
    start: () => startOnSocket(rust("ttrpc-blocking-server"), (path) => `unix://${path}`),
  });
  describeForeignServer({
    name: "tonic",
    protocol: "grpc",
    start: () => startOnSocket(rust("tonic-server")),
  });
  describeForeignServer({
    name: "tonic-web",
    protocol: "grpc-web",
    lacks: ["bidi"],
    async start() {
      const server = await startPeer([...rust("tonic-server"), "web", "127.0.0.1:0"]);
      return { address: `http://${server.printed[0]}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
    },
  });

  describe("our server", () => {
    test.each(["ttrpc-client", "ttrpc-blocking-client"])("serves ttrpc-rust: %s", async (program) => {
      await using folder = await socketFolder();
      const ours = await serveOurs(`unix:${folder.path}/s.sock`);
      try {
        await expectChecks([...rust(program), `unix://${folder.path}/s.sock`]);
      } finally {
        await ours.stop();
      }
    });

    test.each(["unix", "tcp"])("serves tonic over %s", async (carrier) => {
      await using folder = await socketFolder();
      const ours = await serveOurs(carrier === "unix" ? `unix:${folder.path}/s.sock` : "tcp:127.0.0.1:0");
      try {
        await expectChecks([...rust("tonic-client"), ours.address.replace("tcp:", "http://")]);
      } finally {
        await ours.stop();
      }
    });
  });
});
