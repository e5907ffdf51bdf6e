import { MessageChannel } from "node:worker_threads";
import type { ConnectOptions, Requirements } from "plugboard";
import { serveOn } from "plugboard";
import { connect } from "plugboard/node";
import { afterAll, beforeAll } from "vitest";
import type { LocalWorker } from "../support/local-worker.ts";
import { startWorker } from "../support/local-worker.ts";
import type { Standalone } from "../support/standalone.ts";
import { startStandalone } from "../support/standalone.ts";
import type { Refusal } from "./refusals.ts";
import { refusingOptions } from "./refusing/options.ts";
import plugin from "./refusing/plugin.ts";
import type { RefusingRoute } from "./suite/refusals.ts";
import { describeRefusals } from "./suite/refusals.ts";

type Mood = Refusal["mood"];

const command = ["node", "--conditions=plugboard-source", "test/behaviour/refusing/serve.ts"] as const;
const moods = ["patient", "brief"] as const;

/** Starts one for each mood. */
async function forEachMood<T>(start: (mood: Mood) => Promise<T>): Promise<Readonly<Record<Mood, T>>> {
  const [patient, brief] = await Promise.all(moods.map(start));
  if (patient === undefined || brief === undefined) {
    throw new Error("there are two moods");
  }
  return { patient, brief };
}

let sockets: Readonly<Record<Mood, Standalone>>;
let workers: Readonly<Record<Mood, LocalWorker>>;

beforeAll(async () => {
  [sockets, workers] = await Promise.all([
    forEachMood((MOOD) => startStandalone(command, "tcp:127.0.0.1:0", { MOOD })),
    forEachMood((MOOD) => startWorker("test/behaviour/refusing/worker.ts", { MOOD })),
  ]);
}, 60_000);

afterAll(async () => {
  await Promise.all(moods.flatMap((mood) => [sockets?.[mood].stop(), workers?.[mood].stop()]));
});

/** The plugin in a process, by a scheme. */
const toProcess =
  (scheme: "tcp:" | "http://" | "ws://", require: Requirements): RefusingRoute["connect"] =>
  (mood, options, host = "127.0.0.1") =>
    connect(sockets[mood].address.replace("tcp:127.0.0.1", scheme + host), { ...options, require });

/** The plugin in a Worker, by a scheme. */
const toWorker =
  (scheme: "http:" | "ws:", require: Requirements): RefusingRoute["connect"] =>
  (mood, options) =>
    connect(workers[mood].url.replace("http:", scheme), { ...options, require });

async function onPort(mood: Mood, options: ConnectOptions) {
  const { port1, port2 } = new MessageChannel();
  const served = await serveOn(plugin, port2, refusingOptions(mood));
  const connection = await connect(port1, options);
  return Object.assign(connection, {
    async [Symbol.asyncDispose]() {
      await connection.close();
      await served.closed;
    },
  });
}

const http1 = { lacks: ["bidi_streaming"], also: ["http", "addressed", "named"] } as const;
const http1OfWorker = { lacks: ["bidi_streaming"], also: ["http", "addressed"] } as const;
const http2 = { also: ["http", "addressed", "named"] } as const;
const grpc = { protocols: ["grpc"] } as const;
const grpcWeb = { protocols: ["grpc-web"] } as const;
const ttrpc = { protocols: ["ttrpc"] } as const;
const connect1 = { protocols: ["connect"], httpVersion: "1.1" } as const;
const connect2 = { protocols: ["connect"], httpVersion: "2" } as const;

const routes: readonly RefusingRoute[] = [
  { name: "message-port+ttrpc", also: [], connect: onPort },
  { name: "tcp+ttrpc", also: ["addressed"], connect: toProcess("tcp:", ttrpc) },
  { name: "tcp+grpc", ...http2, connect: toProcess("tcp:", grpc) },
  { name: "tcp+connect over HTTP/2", ...http2, connect: toProcess("tcp:", connect2) },
  { name: "tcp+connect over HTTP/1.1", ...http1, connect: toProcess("tcp:", connect1) },
  { name: "http+connect of a process", ...http1, connect: toProcess("http://", { protocols: ["connect"] }) },
  { name: "http+grpc-web of a process", ...http1, connect: toProcess("http://", grpcWeb) },
  { name: "websocket+ttrpc of a process", also: ["addressed"], connect: toProcess("ws://", ttrpc) },
  { name: "http+connect of a Worker", ...http1OfWorker, connect: toWorker("http:", { protocols: ["connect"] }) },
  { name: "http+grpc-web of a Worker", ...http1OfWorker, connect: toWorker("http:", grpcWeb) },
  { name: "websocket+ttrpc of a Worker", also: ["addressed"], connect: toWorker("ws:", ttrpc) },
];

for (const route of routes) {
  describeRefusals(route);
}
