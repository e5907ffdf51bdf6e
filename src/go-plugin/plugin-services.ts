import type { Log } from "../base/log.ts";
import type { Broker } from "../plugin/broker.ts";
import type { Routes } from "../plugin/service-table.ts";
import type { BrokerOptions } from "./broker/create-broker.ts";
import { createBroker } from "./broker/create-broker.ts";
import { brokerRoutes } from "./broker/start-stream.ts";
import { controllerRoutes } from "./controller.ts";
import { logByConsole } from "./hclog/console.ts";
import { createOutputCapture } from "./output-capture.ts";
import { stdioRoutes } from "./stdio.ts";
import type { Multiplexer } from "./yamux/multiplexer.ts";
import { createMultiplexer } from "./yamux/multiplexer.ts";

/** The services beside the plugin's own where the host is one written with go-plugin. */
export interface GoPluginServices {
  readonly routes: readonly Routes[];
  /** Further connections with the host that has started the process. */
  readonly broker?: Broker;
  /** The multiplexer, if the host wants all connections in one. */
  readonly multiplexer?: Multiplexer;
  /** From now on, what the process prints goes to the host by a stream, and what it logs to stderr. */
  takeOutput(): void;
  /** Ends the streams that the host keeps open, after what was printed. */
  endStreams(): Promise<void>;
  /** Ends further connections. */
  close(): Promise<void>;
}

/** The parts of the process that the services depend on. */
export interface GoPluginServicesOptions {
  /** The plugin's, for its log. */
  readonly name: string;
  /** Ends the process, with the times in milliseconds that calls in flight and the stop hook may take. */
  readonly end: (graceMs: number, stopMs: number) => void;
  /** For sockets of the broker. */
  readonly socketDirectory: string;
  /** Lets the group in that the host has named. */
  readonly shareSocket: (path: string) => void;
  readonly maxMessageBytes: number;
  /** The served plugin's. */
  readonly log: Log;
  /** True if the host wants the broker's connections within the one that it has. */
  readonly multiplex: boolean;
  /** TLS on the broker's connections. */
  readonly secure?: BrokerOptions["secure"];
}

/** Makes the services for the host that has started the process. */
export function createGoPluginServices(options: GoPluginServicesOptions): GoPluginServices {
  const { name, end, socketDirectory, shareSocket, maxMessageBytes, log, multiplex, secure } = options;
  const output = createOutputCapture();
  const multiplexer = multiplex ? createMultiplexer("server") : undefined;
  const broker = createBroker({
    side: "plugin",
    socketDirectory,
    shareSocket,
    maxMessageBytes,
    log,
    ...(multiplexer && { multiplexer }),
    ...(secure && { secure }),
  });
  return {
    routes: [controllerRoutes(end), stdioRoutes(output), brokerRoutes(broker)],
    broker: broker.broker,
    ...(multiplexer && { multiplexer }),
    takeOutput() {
      output.take();
      logByConsole(name, output.writeToStderr);
    },
    async endStreams() {
      broker.endStream();
      await output.end();
    },
    close: () => broker.close(),
  };
}
