import { connect, type Socket } from "node:net";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { Contender, Driver } from "../contender.ts";
import { drive } from "../drive.ts";
import { builtServer, nodeServer } from "../server-program.ts";
import { openSocket } from "./sockets.ts";
import { transportClient } from "./transport-client.ts";

/** Connect over HTTP/2, as connect-node has it. */
export const connectNode: Contender = {
  name: "connect-node",
  title: "connect-node over HTTP/2",
  server: nodeServer("connect-node"),
  builtServer: builtServer("connect-node"),
  connect: async (path) => driveConnect(() => connect(path)),
  connectTcp: async (port, identity) => driveConnect(() => openSocket(port, identity, "h2")),
};

function driveConnect(createConnection: () => Socket): Driver {
  const baseUrl = "http://localhost";
  const sessionManager = new Http2SessionManager(baseUrl, undefined, {
    createConnection,
    maxSessionMemory: Number.MAX_SAFE_INTEGER,
  });
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "2",
    sessionManager,
    // No other contender compresses here.
    acceptCompression: [],
  });
  return drive(transportClient(transport, () => sessionManager.abort()));
}
