import { MessageChannel, Worker } from "node:worker_threads";
import { connect, Host } from "plugboard/node";
import { startWorker } from "../support/local-worker.ts";
import { startStandalone } from "../support/standalone.ts";
import plugin from "./plugin.ts";
import type { BehaviourRoute } from "./suite.ts";

const serve = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;

/** Every route from Node to the behaviour plugin. */
export const routes: readonly BehaviourRoute[] = [
  {
    name: "memory",
    protocol: "memory",
    async open() {
      const connection = await connect(plugin);
      return { connection, close: () => connection.close() };
    },
  },
  {
    name: "message-port+ttrpc",
    protocol: "ttrpc",
    async open() {
      const { port1, port2 } = new MessageChannel();
      const worker = new Worker(new URL("port-worker.ts", import.meta.url), {
        execArgv: ["--conditions=plugboard-source"],
        workerData: port2,
        transferList: [port2],
      });
      const connection = await connect(port1);
      return {
        connection,
        async close() {
          await connection.close();
          await worker.terminate();
        },
      };
    },
  },
  {
    name: "unix+ttrpc",
    protocol: "ttrpc",
    async open() {
      const host = new Host();
      const connection = await host.load({ command: serve });
      return { connection, close: () => host.close() };
    },
  },
  {
    name: "unix+grpc",
    protocol: "grpc",
    async open() {
      const host = new Host();
      const connection = await host.load({ command: serve, require: { protocols: ["grpc"] } });
      return { connection, close: () => host.close() };
    },
  },
  {
    name: "unix+connect",
    protocol: "connect",
    async open() {
      const host = new Host();
      const connection = await host.load({ command: serve, require: { protocols: ["connect"] } });
      return { connection, close: () => host.close() };
    },
  },
  {
    name: "unix+connect (HTTP/1.1)",
    protocol: "connect",
    lacks: ["bidi_streaming"],
    async open() {
      const host = new Host();
      const require = { protocols: ["connect"], httpVersion: "1.1" } as const;
      const connection = await host.load({ command: serve, require });
      return { connection, close: () => host.close() };
    },
  },
  ...(["ttrpc", "grpc"] as const).map(
    (protocol): BehaviourRoute => ({
      name: `tcp+${protocol}`,
      protocol,
      async open() {
        const process = await startStandalone(serve, "tcp:127.0.0.1:0");
        const connection = await connect(process.address, { require: { protocols: [protocol] } });
        return {
          connection,
          async close() {
            await connection.close();
            await process.stop();
          },
        };
      },
    }),
  ),
  ...(["unix", "tcp"] as const).flatMap((carrier) =>
    (["ttrpc", "grpc"] as const).map(
      (protocol): BehaviourRoute => ({
        name: `${carrier}+${protocol}`,
        protocol,
        async open() {
          const host = new Host();
          const connection = await host.load({
            command: serve,
            tls: "auto",
            env: { PLUGIN_SERVER_TRANSPORTS: carrier },
            require: { protocols: [protocol], encryption: true },
          });
          return { connection, close: () => host.close() };
        },
      }),
    ),
  ),
  {
    name: "websocket+ttrpc",
    protocol: "ttrpc",
    async open() {
      const process = await startStandalone(serve, "tcp:127.0.0.1:0");
      const connection = await connect(process.address.replace("tcp:", "ws://"), { require: { protocols: ["ttrpc"] } });
      return {
        connection,
        async close() {
          await connection.close();
          await process.stop();
        },
      };
    },
  },
  {
    name: "websocket+ttrpc",
    protocol: "ttrpc",
    async open() {
      const worker = await startWorker("test/behaviour/worker.ts");
      const connection = await connect(worker.url.replace("http:", "ws:"), { require: { protocols: ["ttrpc"] } });
      return {
        connection,
        async close() {
          await connection.close();
          await worker.stop();
        },
      };
    },
  },
  ...(["connect", "grpc-web"] as const).map(
    (protocol): BehaviourRoute => ({
      name: `http+${protocol}`,
      protocol,
      lacks: ["bidi_streaming"],
      // workerd takes a closed connection for a caller that still waits.
      cancelsLate: true,
      async open() {
        const worker = await startWorker("test/behaviour/worker.ts");
        const connection = await connect(worker.url, { require: { protocols: [protocol] } });
        return {
          connection,
          async close() {
            await connection.close();
            await worker.stop();
          },
        };
      },
    }),
  ),
];
