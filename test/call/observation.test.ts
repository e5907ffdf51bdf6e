import { once } from "node:events";
import * as http from "node:http";
import { MessageChannel } from "node:worker_threads";
import { Code } from "@connectrpc/connect";
import type { CallObserver, ConnectOptions } from "plugboard";
import { connect, definePlugin, serveOn } from "plugboard";
import { connect as connectFromNode } from "plugboard/node";
import { expect, test, vi } from "vitest";
import plugin from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../support/local-listener.ts";
import type { ObservedRoute } from "../support/observation/observation.ts";
import { describeObservation } from "../support/observation/observation.ts";
import { observedLimits } from "../support/observation/observed-limits.ts";
import { recordingObserver } from "../support/observation/recording-observer.ts";

/** Responds with more than callers take. */
const verbose = definePlugin({
  name: "verbose",
  version: "1.0.0",
  routes: (router) => router.rpc(BehaviourService.method.echo, () => ({ data: new Uint8Array(5 * 1024 * 1024) })),
});

/** Listens, and connects to that; `scheme` takes the place of "tcp:" in the address. */
async function openListening(carrier: "unix" | "tcp", options: ConnectOptions, scheme = "tcp:") {
  const { observer, calls } = recordingObserver();
  const listener = await listenLocally(plugin, carrier, { limits: observedLimits, observers: [observer] });
  const connection = await connectFromNode(listener.address.replace(/^tcp:/, scheme), options);
  return {
    connection,
    calls: () => calls,
    async close() {
      await connection.close();
      await listener[Symbol.asyncDispose]();
    },
  };
}

const sockets = (["ttrpc", "grpc", "connect", "grpc-web"] as const).flatMap((protocol) =>
  (["unix", "tcp"] as const)
    .filter((carrier) => carrier === "unix" || protocol === "connect")
    .map(
      (carrier): ObservedRoute => ({
        name: `${carrier}+${protocol}`,
        protocol,
        open: () => openListening(carrier, { require: { protocols: [protocol] } }),
      }),
    ),
);

const routes: readonly ObservedRoute[] = [
  ...sockets.filter(({ name }) => name !== "unix+grpc-web"),
  {
    name: "unix+connect (HTTP/1.1)",
    protocol: "connect",
    lacks: "bidi_streaming",
    open: () => openListening("unix", { require: { protocols: ["connect"], httpVersion: "1.1" } }),
  },
  {
    name: "http+grpc-web",
    protocol: "grpc-web",
    lacks: "bidi_streaming",
    open: () => openListening("tcp", { require: { protocols: ["grpc-web"] } }, "http://"),
  },
  {
    name: "message-port+ttrpc",
    protocol: "ttrpc",
    keepsLimits: true,
    async open() {
      const { observer, calls } = recordingObserver();
      const { port1, port2 } = new MessageChannel();
      const served = await serveOn(plugin, port1, { limits: observedLimits, observers: [observer] });
      const connection = await connect(port2);
      return {
        connection,
        calls: () => calls,
        async close() {
          await connection.close();
          await served.closed;
        },
      };
    },
  },
  {
    name: "memory",
    protocol: "memory",
    sameProcess: true,
    async open() {
      const { observer, calls } = recordingObserver();
      const connection = await connect(plugin, { observers: [observer] });
      return { connection, calls: () => calls, close: () => connection.close() };
    },
  },
];

for (const route of routes) {
  describeObservation(route);
}

test("a call over ttrpc that takes longer than the plugin allows", async () => {
  const { observer, calls } = recordingObserver();
  await using listener = await listenLocally(plugin, "unix", { limits: { maxDeadlineMs: 100 }, observers: [observer] });
  await using connection = await connectFromNode(listener.address, { require: { protocols: ["ttrpc"] } });
  const call = connection.client(BehaviourService).hang({ id: "allowed" }, { headers: { "x-case": "hang" } });
  await expect(call).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  expect(calls.find(({ name }) => name === "hang")).toMatchObject({ ends: 1, code: "DeadlineExceeded" });
});

test("a call over ttrpc whose response is more than the caller takes", async () => {
  const { observer, calls } = recordingObserver();
  const limits = { maxMessageBytes: 8 * 1024 * 1024 };
  await using listener = await listenLocally(verbose, "unix", { limits, observers: [observer] });
  await using connection = await connectFromNode(listener.address, { require: { protocols: ["ttrpc"] } });
  const client = connection.client(BehaviourService);
  const call = client.echo({}, { headers: { "x-case": "message" } });
  await expect(call).rejects.toMatchObject({ code: Code.ResourceExhausted });
  // In chunks it is the caller who refuses it: more than it takes.
  await vi.waitFor(() =>
    expect(calls.find(({ name }) => name === "message")).toMatchObject({ ends: 1, code: "Canceled" }),
  );
});

test("calls over HTTP whose message can't be read", async () => {
  const { observer, calls } = recordingObserver();
  await using listener = await listenLocally(plugin, "tcp", { observers: [observer] });
  const url = `${listener.address.replace("tcp:", "http://")}/plugboard.test.v1.BehaviourService/Echo`;
  const post = (name: string, type: string, body: BodyInit) =>
    fetch(url, { method: "POST", headers: { "Content-Type": type, "x-case": name }, body });
  const json = await post("json", "application/json", "{");
  expect(await json.json()).toMatchObject({ code: "invalid_argument" });
  const binary = await post("protobuf", "application/proto", Uint8Array.of(0xff));
  expect(await binary.json()).toMatchObject({ code: "invalid_argument" });
  const web = await post("grpc-web", "application/grpc-web+proto", Uint8Array.of(0, 0, 0, 0, 1, 0xff));
  expect(web.headers.get("Grpc-Status") ?? (await web.text())).toContain(String(Code.InvalidArgument));
  await vi.waitFor(() => expect(calls.map(({ ends }) => ends)).toEqual([1, 1, 1]));
  expect(calls.map(({ name, code }) => [name, code])).toEqual([
    ["json", "InvalidArgument"],
    ["protobuf", "InvalidArgument"],
    ["grpc-web", "InvalidArgument"],
  ]);
});

test("a call over HTTP whose body turns out to be too long, and one whose caller has gone before it was sent", async () => {
  const { observer, calls } = recordingObserver();
  await using listener = await listenLocally(plugin, "tcp", { limits: { maxBodyBytes: 1000 }, observers: [observer] });
  const url = `${listener.address.replace("tcp:", "http://")}/plugboard.test.v1.BehaviourService/Echo`;
  const post = (name: string) =>
    http.request(url, { method: "POST", headers: { "Content-Type": "application/proto", "x-case": name } });
  const chunked = post("chunked");
  const responded = once(chunked, "response") as Promise<[http.IncomingMessage]>;
  chunked.write(new Uint8Array(600));
  chunked.end(new Uint8Array(600));
  const [response] = await responded;
  expect(response.statusCode).toBe(429);
  response.resume();
  const gone = post("gone").on("error", () => undefined);
  gone.write(new Uint8Array(1));
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  gone.destroy();
  await vi.waitFor(() =>
    expect(calls).toMatchObject([
      { name: "chunked", ends: 1, code: "ResourceExhausted", runs: 0 },
      { name: "gone", ends: 1, code: "Canceled", runs: 0 },
    ]),
  );
});

test("observers that throw disturb neither the call nor other observers", async () => {
  const { observer, calls } = recordingObserver();
  const fail = () => {
    throw new Error("the observer is broken");
  };
  const observers: CallObserver[] = [
    { begin: fail },
    { begin: () => ({ run: fail, end: fail }) },
    {
      begin: () => ({
        run(piece) {
          piece();
          return fail();
        },
        end: async () => fail(),
      }),
    },
    observer,
  ];
  await using listener = await listenLocally(plugin, "unix", { observers });
  for (const protocol of ["ttrpc", "grpc"] as const) {
    await using connection = await connectFromNode(listener.address, { require: { protocols: [protocol] } });
    await connection.client(BehaviourService).echo({}, { headers: { "x-case": protocol } });
    await vi.waitFor(() => expect(calls.find(({ name }) => name === protocol)).toMatchObject({ ends: 1, code: "ok" }));
    const failed = connection.client(BehaviourService).fail({ code: Code.NotFound, message: "gone" });
    await expect(failed).rejects.toMatchObject({ code: Code.NotFound });
  }
  await using inProcess = await connect(plugin, { observers });
  await inProcess.client(BehaviourService).echo({}, { headers: { "x-case": "memory" } });
  expect(calls.find(({ name }) => name === "memory")).toMatchObject({ ends: 1, code: "ok" });
});

test("the first of several observers is around the others", async () => {
  const order: string[] = [];
  const named = (name: string): CallObserver => ({
    begin: () => ({
      run(piece) {
        order.push(name);
        return piece();
      },
      end: () => undefined,
    }),
  });
  await using connection = await connect(plugin, { observers: [named("outer"), named("inner")] });
  await connection.client(BehaviourService).echo({});
  expect(order).toEqual(["outer", "inner"]);
});
