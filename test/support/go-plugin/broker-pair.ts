import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client, Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { definePlugin } from "plugboard";
import { localKeepalive } from "../../../src/call/time/keepalive.ts";
import type { BrokerEnd, BrokerOptions } from "../../../src/go-plugin/broker/create-broker.ts";
import { createBroker } from "../../../src/go-plugin/broker/create-broker.ts";
import { brokerRoutes, startBrokerStream } from "../../../src/go-plugin/broker/start-stream.ts";
import type { Multiplexer } from "../../../src/go-plugin/yamux/multiplexer.ts";
import { createMultiplexer } from "../../../src/go-plugin/yamux/multiplexer.ts";
import { createHttp2Connection } from "../../../src/node/dial/http2-connection.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import type { Routes } from "../../../src/plugin/service-table.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** The strategy for the broker's connections. */
export type Mode = "classic" | "multiplexed";

export const modes = ["classic", "multiplexed"] as const satisfies Mode[];

/** A host and a plugin with a broker between them. */
export interface BrokerPair extends AsyncDisposable {
  readonly host: BrokerEnd;
  readonly plugin: BrokerEnd;
  /** Calls the plugin's own service. */
  readonly client: Client<typeof BehaviourService>;
  /** To the plugin itself. */
  readonly transport: Transport;
  /** Names of the sockets that there are. */
  sockets(): readonly string[];
  /** Of the plugin. */
  readonly path: string;
}

/** Options of a pair. */
export interface PairOptions {
  readonly secure?: BrokerOptions["secure"];
  /** Registers with the plugin what its broker can be used for. */
  readonly routes?: (end: BrokerEnd) => Routes;
  /** Leaves plugin.GRPCBroker out. */
  readonly withoutBroker?: boolean;
  readonly maxMessageBytes?: number;
}

/** Responds with a text that tells who it is. */
export function echoAs(name: string): Routes {
  return (router) =>
    router.service(BehaviourService, {
      echo: ({ text, data }) => ({ text: `${name}: ${text}`, data }),
    });
}

/** Starts a plugin on a socket, and what a host has of a broker. */
export async function startPair(mode: Mode, options: PairOptions = {}): Promise<BrokerPair> {
  const { secure, routes = () => echoAs("plugin"), withoutBroker = false, maxMessageBytes = 4 * 1024 * 1024 } = options;
  const directory = mkdtempSync(join(tmpdir(), "broker-"));
  const path = join(directory, "p.sock");
  const multiplexers: Multiplexer[] = [];
  const createEnd = (side: "plugin" | "host") => {
    const multiplexer = mode === "multiplexed" ? createMultiplexer(side === "host" ? "client" : "server") : undefined;
    multiplexers.push(...(multiplexer === undefined ? [] : [multiplexer]));
    const end = createBroker({
      side,
      socketDirectory: directory,
      maxMessageBytes,
      ...(multiplexer && { multiplexer }),
      ...(secure && { secure }),
    });
    return { end, multiplexer };
  };
  const plugin = createEnd("plugin");
  const running = await startPlugin(
    definePlugin({ name: "brokered", version: "1.0.0", routes: (router) => routes(plugin.end)(router) }),
    { broker: plugin.end.broker, standardRoutes: withoutBroker ? [] : [brokerRoutes(plugin.end)] },
  );
  const listener = await listen(
    running,
    { carrier: "unix", path },
    { ...(plugin.multiplexer && { multiplexing: plugin.multiplexer }) },
  );

  const host = createEnd("host");
  const socket = net.connect({ path });
  await once(socket, "connect");
  host.multiplexer?.attach(socket);
  const connection = createHttp2Connection({
    baseUrl: "http://localhost",
    opener: async () => host.multiplexer?.openStream() ?? socket,
    address: { text: path },
    keepalive: localKeepalive,
  });
  const transport = createGrpcTransport({ baseUrl: "http://localhost", sessionManager: connection });
  startBrokerStream(host.end, transport);

  return {
    host: host.end,
    plugin: plugin.end,
    client: createClient(BehaviourService, transport),
    transport,
    path,
    sockets: () => readdirSync(directory).toSorted(),
    async [Symbol.asyncDispose]() {
      await host.end.close();
      connection.close();
      plugin.end.endStream();
      await listener.drain(1_000);
      await plugin.end.close();
      await Promise.all(multiplexers.map((each) => each.close()));
      await running.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
