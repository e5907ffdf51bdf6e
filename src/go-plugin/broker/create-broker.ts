import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import type { PlugboardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { tlsRefusal } from "../../client/dialers/failures/errors.ts";
import { clientError } from "../../client/errors.ts";
import type { ConnInfo } from "../../gen/plugin/grpc_broker_pb.ts";
import type { Broker, BrokerDialOptions, BrokeredClient, BrokeredServer } from "../../plugin/broker.ts";
import type { Routes } from "../../plugin/service-table.ts";
import type { Multiplexer } from "../yamux/multiplexer.ts";
import { createControlStream } from "./control-stream.ts";
import { brokerError } from "./errors.ts";
import { createGrpcClient } from "./grpc-client.ts";
import { createGrpcServer } from "./grpc-server.ts";
import { createMultiplexedStrategy } from "./multiplexed.ts";
import { createClassicWay } from "./socket-per-id.ts";
import { waitMs } from "./strategy.ts";

/** Options for one end of a broker. */
export interface BrokerOptions {
  /** A host's end is over when the plugin ends the stream of messages; a plugin's waits for the next host. */
  readonly side: "plugin" | "host";
  /** The directory for sockets. Only this user should be able to enter it. Nothing is made there with a multiplexer. */
  readonly socketDirectory: string;
  /** Lets others use a socket that was made there. Default: only this user can. */
  readonly shareSocket?: (path: string) => void;
  /** Largest message of a call over the broker, in bytes. */
  readonly maxMessageBytes: number;
  /** Of the host or of the served plugin. Default: the log of what belongs to neither. */
  readonly log?: Log;
  /** Makes connections within one that exists, as the other side does then, too. */
  readonly multiplexer?: Multiplexer;
  /** Puts TLS on each connection: the side that listens is its server. It has to agree on "h2" (ALPN). */
  readonly secure?: {
    /** If it fails it closes the connection. Without it nothing can be served: there is no certificate to do so with. */
    readonly server?: (connection: Duplex) => Promise<Duplex>;
    readonly client: (connection: Duplex) => Promise<Duplex>;
  };
}

/** One end of a broker. */
export interface BrokerEnd {
  /** The broker of a plugin, or of a host's user. */
  readonly broker: Broker;
  /** Runs a StartStream call: messages of the other side in, ours out. */
  run(incoming: AsyncIterable<ConnInfo>): AsyncIterable<ConnInfo>;
  /**
   * Ends the StartStream call, so that a server that drains does not wait for it. Connections stay, but there are no
   * new ones.
   */
  endStream(): void;
  /** Closes everything: servers after their calls in flight have had 2 s, connections at once. */
  close(): Promise<void>;
}

/** Servers that there can be at once. */
const maxServers = 1024;

const maxId = 0xffff_ffff;

/** Makes one end of a broker. It waits for its StartStream call. */
export function createBroker(options: BrokerOptions): BrokerEnd {
  const { side, socketDirectory, shareSocket, maxMessageBytes, log, multiplexer, secure } = options;
  const servers = new Set<BrokeredServer>();
  const clients = new Set<BrokeredClient>();
  /** Dials that are not done yet. */
  const dialling = new Set<AbortController>();
  let lastId = 0;
  let over: PlugboardError | undefined;

  const control = createControlStream({
    receive: (info) => strategy.receive(info),
    ended(error) {
      if (side === "host") {
        end(lost(error));
      }
    },
  });
  const strategy =
    multiplexer === undefined
      ? createClassicWay(control, socketDirectory, shareSocket)
      : createMultiplexedStrategy(control, multiplexer);

  /** No new connections from now on. */
  function end(reason: PlugboardError) {
    over ??= reason;
    control.close();
    for (const each of dialling) {
      each.abort(reason);
    }
  }

  async function serve(routes: Routes): Promise<BrokeredServer> {
    if (over !== undefined) {
      throw over;
    }
    if (secure !== undefined && secure.server === undefined) {
      throw tlsRefusal("PB-TLS-CLIENT-CERTIFICATE", "the broker can't serve with TLS, as it has no certificate");
    }
    if (servers.size >= maxServers || lastId === maxId) {
      throw brokerError("PB-BROKER-LIMIT", `the broker serves ${servers.size} ids, of ${lastId} so far`);
    }
    const server = createGrpcServer(routes, { maxMessageBytes, log, secure: secure?.server });
    lastId += 1;
    const id = lastId;
    let closing: Promise<void> | undefined;
    let stopListening: Promise<() => Promise<void>> | undefined;
    const closeAll = async () => {
      // A server of Node's says that it is closed when its connections are.
      const stopped = (await stopListening?.catch(() => undefined))?.();
      await server.close();
      await stopped;
      servers.delete(brokered);
    };
    const close = () => {
      closing ??= closeAll();
      return closing;
    };
    const brokered = { id, close, [Symbol.asyncDispose]: close };
    servers.add(brokered);
    try {
      stopListening = strategy.listen(id, server.accept);
      await stopListening;
    } catch (error) {
      await close();
      throw error;
    }
    if (over !== undefined) {
      await close();
      throw over;
    }
    return brokered;
  }

  async function dial(id: number, { signal }: BrokerDialOptions = {}): Promise<BrokeredClient> {
    if (!Number.isInteger(id) || id < 1 || id > maxId) {
      throw brokerError("PB-BROKER-ID", `${String(id)} is not an id of the broker`);
    }
    if (over !== undefined) {
      throw over;
    }
    signal?.throwIfAborted();
    const lifetime = new AbortController();
    const giveUp = () => lifetime.abort(signal?.reason);
    signal?.addEventListener("abort", giveUp);
    dialling.add(lifetime);
    try {
      const client = await createGrpcClient({
        name: `id ${id} of the broker`,
        open: await strategy.reach(id, lifetime.signal),
        maxMessageBytes,
        secure: secure?.client,
        timeoutMs: waitMs,
        signal: lifetime.signal,
      });
      const close = async () => {
        clients.delete(brokered);
        await client.close();
        lifetime.abort(clientError("PB-CONNECTION-CLOSED", `the connection to id ${id} is closed`));
      };
      const brokered = { ...client, close, [Symbol.asyncDispose]: close };
      clients.add(brokered);
      return brokered;
    } finally {
      dialling.delete(lifetime);
      signal?.removeEventListener("abort", giveUp);
    }
  }

  return {
    broker: { serve, dial },
    run: (incoming) => control.run(incoming),
    endStream: () => end(closed()),
    async close() {
      end(closed());
      await Promise.all([...clients, ...servers].map((each) => each.close()));
    },
  };
}

function closed(): PlugboardError {
  return brokerError("PB-BROKER-CLOSED", "the broker is closed");
}

/** The error for a broken stream of messages, as a host sees it. */
function lost(error: unknown): PlugboardError {
  const { code, rawMessage } = ConnectError.from(error);
  if (code === Code.Unimplemented) {
    return brokerError("PB-BROKER-MISSING", "the plugin has no broker", { cause: error });
  }
  const why = error === undefined ? "has ended" : `has failed (${rawMessage})`;
  return brokerError("PB-BROKER-CLOSED", `the broker's stream of messages ${why}`, { cause: error });
}
