import { describe, test } from "vitest";
import { describeForeignServer, expectChecks, serveOurs } from "./foreign.ts";
import { lacksPeers, peerCommands, socketFolder, startOnSocket } from "./peer-process.ts";

const { niceGrpc } = peerCommands;

describe.skipIf(lacksPeers("niceGrpc"))("nice-grpc, for which `npm run peers` has to have run", () => {
  describeForeignServer({
    name: "nice-grpc",
    protocol: "grpc",
    start: () => startOnSocket(niceGrpc("server.mjs")),
  });

  test.each(["unix", "tcp"])("calls our server over %s", async (carrier) => {
    await using folder = await socketFolder();
    const ours = await serveOurs(carrier === "unix" ? `unix:${folder.path}/s.sock` : "tcp:127.0.0.1:0");
    try {
      await expectChecks([...niceGrpc("client.mjs"), ours.address.replace("tcp:", "").replace("unix:", "unix://")]);
    } finally {
      await ours.stop();
    }
  });
});
