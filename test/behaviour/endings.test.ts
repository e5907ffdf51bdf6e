import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import type { Connection, ConnectOptions, Requirements } from "plugboard";
import type { LoadOptions } from "plugboard/node";
import { connect, Host } from "plugboard/node";
import { afterAll } from "vitest";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";
import { startFaultyProxy } from "../support/faulty-proxy.ts";
import type { LocalWorker } from "../support/local-worker.ts";
import { startWorker } from "../support/local-worker.ts";
import type { Standalone } from "../support/standalone.ts";
import { startStandalone } from "../support/standalone.ts";
import type { How } from "./endings.ts";
import plugin from "./plugin.ts";
import type { EndingPlace, EndingRoute, Line } from "./suite/endings.ts";
import { describeEndings } from "./suite/endings.ts";

const command = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;
const BEHAVIOUR_GRACE_MS = "2000";

const directory = mkdtempSync(join(tmpdir(), "endings-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const cannot = (how: How) => () => {
  throw new Error(`nothing here can be ${how}`);
};

/** A line that can end in these ways, and be closed. */
function line(
  connection: Connection,
  ends: Partial<Record<How, () => unknown>>,
  close = () => connection.close(),
): Line {
  return {
    connection,
    end: async (how) => await (how === "closed" ? close() : (ends[how] ?? cannot(how))()),
    restore() {},
    close,
  };
}

interface Spoken {
  readonly require: Requirements;
}
const grpc: Spoken = { require: { protocols: ["grpc"] } };
const grpcWeb: Spoken = { require: { protocols: ["grpc-web"] } };
const ttrpc: Spoken = { require: { protocols: ["ttrpc"] } };
const connectAny: Spoken = { require: { protocols: ["connect"] } };
const connect1: Spoken = { require: { protocols: ["connect"], httpVersion: "1.1" } };
const connect2: Spoken = { require: { protocols: ["connect"], httpVersion: "2" } };
const http1 = { lacks: ["bidi_streaming"], pings: false } as const;

type Scheme = readonly [name: string, at: (address: string) => string, spoken: Spoken, limits?: typeof http1];

const same = (address: string) => address;
const sockets: readonly Scheme[] = [
  ["ttrpc", same, ttrpc],
  ["gRPC", same, grpc],
  ["Connect over HTTP/2", same, connect2],
  ["Connect over HTTP/1.1", same, connect1, http1],
];
const web: readonly Scheme[] = [
  ["ttrpc on a WebSocket", (address) => address.replace("tcp:", "ws://"), ttrpc],
  ["Connect at http:", (address) => address.replace("tcp:", "http://"), connectAny, http1],
  ["gRPC-Web at http:", (address) => address.replace("tcp:", "http://"), grpcWeb, http1],
];

/** What routes through a proxy lead to. */
interface Server<T> {
  start(): Promise<T & { readonly address: string }>;
  stop(started: T): Promise<unknown>;
  /** What it can come to. */
  readonly ends: Partial<Record<How, (started: T) => unknown>>;
  /** Lets it go on. */
  restore?(started: T): void;
  readonly options?: ConnectOptions;
}

/** Routes through a proxy to a server that is started when it is first needed, and again after it has ended. */
function throughProxy<T>(schemes: readonly Scheme[], server: Server<T>): Pick<EndingPlace, "routes" | "stop"> {
  let running: ReturnType<(typeof server)["start"]> | undefined;

  async function open(at: (address: string) => string, options: ConnectOptions): Promise<Line> {
    running ??= server.start();
    const started = await running;
    const proxy = await startFaultyProxy(started.address);
    const connection = await connect(at(proxy.address), options);
    const ends: Partial<Record<How, () => unknown>> = {
      silenced: () => proxy.silence("open"),
      ended: () => proxy.cut("end"),
      reset: () => proxy.cut("reset"),
    };
    const opened = line(connection, ends);
    return {
      ...opened,
      end(how) {
        if (how === "terminated" || how === "killed") {
          running = undefined;
        }
        const end = server.ends[how];
        return end === undefined ? opened.end(how) : Promise.resolve(end(started));
      },
      restore: () => server.restore?.(started),
      async close() {
        await connection.close();
        await proxy[Symbol.asyncDispose]();
      },
    };
  }

  return {
    routes: schemes.map(([name, at, spoken, limits]) => ({
      name,
      pings: true,
      ...limits,
      open: (keepalive) => open(at, { ...spoken, ...server.options, keepalive }),
    })),
    stop: async () => running && server.stop(await running),
  };
}

/** A plugin that stands alone, with these variables in its environment. */
const inProcess = (
  listen: () => string,
  env: NodeJS.ProcessEnv = {},
  options: ConnectOptions = {},
): Server<Standalone> => ({
  start: () => startStandalone(command, listen(), { BEHAVIOUR_GRACE_MS, ...env }),
  stop: (plugin) => plugin.stop("SIGKILL"),
  ends: {
    terminated: (plugin) => plugin.stop("SIGTERM"),
    killed: (plugin) => plugin.stop("SIGKILL"),
    frozen: (plugin) => plugin.signal("SIGSTOP"),
  },
  restore: (plugin) => plugin.signal("SIGCONT"),
  options,
});

const connectionAndProcess = ["closed", "ended", "reset", "silenced", "frozen", "terminated", "killed"] as const;

describeEndings({
  name: "in this process",
  hows: ["closed"],
  routes: [{ name: "memory", pings: true, open: async () => line(await connect(plugin), {}) }],
});

describeEndings({
  name: "in a thread",
  hows: ["closed", "terminated", "killed"],
  routes: [
    {
      name: "message port",
      pings: true,
      async open() {
        const { port1, port2 } = new MessageChannel();
        const thread = new Worker(new URL("port-worker.ts", import.meta.url), {
          execArgv: ["--conditions=plugboard-source"],
          workerData: port2,
          transferList: [port2],
          env: { ...process.env, BEHAVIOUR_GRACE_MS },
        });
        const connection = await connect(port1, { dialTimeoutMs: 60_000 });
        const ends = { terminated: () => thread.postMessage("stop"), killed: () => thread.terminate() };
        return line(connection, ends, async () => {
          await connection.close();
          await thread.terminate();
        });
      },
    },
  ],
});

let sequence = 0;
describeEndings({
  name: "at a Unix socket",
  hows: connectionAndProcess,
  ...throughProxy(
    sockets,
    inProcess(() => `unix:${join(directory, `p${sequence++}`)}`),
  ),
});

const onTcp = () => "tcp:127.0.0.1:0";
describeEndings({
  name: "on TCP",
  hows: connectionAndProcess,
  ...throughProxy([...sockets, ...web], inProcess(onTcp)),
});

const { certificate, key } = await createThrowawayCertificate();
const env = { PLUGIN_SERVER_CERT: certificate, PLUGIN_SERVER_KEY: key };
const tls = { roots: certificate, serverName: "localhost" };
describeEndings({
  name: "on TCP with TLS",
  hows: ["ended", "reset", "silenced", "terminated"],
  ...throughProxy(sockets, inProcess(onTcp, env, { tls })),
});

describeEndings({
  name: "in a Worker",
  hows: ["closed", "ended", "reset", "silenced", "killed"],
  noticesLate: true,
  ...throughProxy<LocalWorker>(web, {
    async start() {
      const worker = await startWorker("test/behaviour/worker.ts");
      return { ...worker, address: worker.url.replace("http://", "tcp:") };
    },
    stop: (worker) => worker.stop(),
    ends: { killed: (worker) => worker.stop() },
  }),
});

const hosted = (
  name: string,
  options: Omit<LoadOptions, "command">,
  limits: typeof http1 | object = {},
): EndingRoute => ({
  name,
  pings: true,
  ...limits,
  async open(keepalive) {
    const host = new Host();
    const loaded = await host.load({ command, ...options, env: { ...options.env, BEHAVIOUR_GRACE_MS }, keepalive });
    const signal = (name: NodeJS.Signals) => async () => {
      process.kill(loaded.pid, name);
      await loaded.exited;
    };
    const ends = { terminated: signal("SIGTERM"), killed: signal("SIGKILL") };
    return line(loaded, ends, () => host.close());
  },
});
describeEndings({
  name: "that a host has loaded",
  hows: ["closed", "terminated", "killed"],
  routes: [
    hosted("ttrpc", ttrpc),
    hosted("gRPC", grpc),
    hosted("Connect over HTTP/1.1", connect1, http1),
    hosted("gRPC with TLS on TCP", { ...grpc, tls: "auto", env: { PLUGIN_SERVER_TRANSPORTS: "tcp" } }),
  ],
});
