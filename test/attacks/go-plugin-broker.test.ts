import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import type { ConnInfo } from "../../src/gen/plugin/grpc_broker_pb.ts";
import { ConnInfoSchema } from "../../src/gen/plugin/grpc_broker_pb.ts";
import { createBroker } from "../../src/go-plugin/broker/create-broker.ts";
import { createMultiplexer } from "../../src/go-plugin/yamux/multiplexer.ts";
import type { YamuxSession } from "../../src/go-plugin/yamux/session.ts";
import { createYamuxSession } from "../../src/go-plugin/yamux/session.ts";
import { echoAs } from "../support/go-plugin/broker-pair.ts";

const directory = mkdtempSync(join(tmpdir(), "hostile-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0)) {
    await close();
  }
});

type Info = MessageInitShape<typeof ConnInfoSchema>;

/** A plugin's end of a broker, with messages of the other side made by hand. */
function startEnd(options: Partial<Parameters<typeof createBroker>[0]> = {}) {
  const end = createBroker({ side: "plugin", socketDirectory: directory, maxMessageBytes: 1_000_000, ...options });
  closers.push(() => end.close());
  return { ...end, ...startCall(end) };
}

/** One StartStream call of it. */
function startCall({ run }: Pick<ReturnType<typeof createBroker>, "run">) {
  const queue: ConnInfo[] = [];
  let { promise: more, resolve: wake } = Promise.withResolvers<void>();
  let hungUp = false;
  async function* incoming() {
    while (!hungUp) {
      yield* queue.splice(0);
      await more;
      ({ promise: more, resolve: wake } = Promise.withResolvers<void>());
    }
  }
  const heard: ConnInfo[] = [];
  const outgoing = run(incoming());
  const ended = (async () => {
    for await (const info of outgoing) {
      heard.push(info);
    }
  })();
  return {
    heard,
    ended,
    tell(...infos: readonly Info[]) {
      queue.push(...infos.map((info) => create(ConnInfoSchema, info)));
      wake();
    },
    hangUp() {
      hungUp = true;
      wake();
    },
  };
}

/** Lets what was told arrive. */
async function settle() {
  for (let turn = 0; turn < 10; turn++) {
    await setImmediate();
  }
}

describe("a classic broker", () => {
  test.each([
    ["unix", "relative.sock"],
    ["unix", ""],
    ["unix", "@abstract"],
    ["unix", "/tmp/zero\0.sock"],
    ["tcp", "192.0.2.1:80"],
    ["tcp", "example.com:80"],
    ["tcp", "127.0.0.1:99999"],
    ["tcp", "127.0.0.1"],
    ["udp", "127.0.0.1:80"],
    ["", ""],
  ])("does not dial %j %j", async (network, address) => {
    const { broker, tell } = startEnd();
    tell({ serviceId: 1, network, address });
    await expect(broker.dial(1)).rejects.toMatchObject({ errorCode: "PB-BROKER-ADDRESS" });
  });

  test("dials TCP at the loopback interface, as Windows' plugins listen", async () => {
    const connections: net.Socket[] = [];
    const server = net.createServer((socket) => connections.push(socket.on("error", () => undefined)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(() => server.close());
    const { broker, tell } = startEnd();
    const { port } = server.address() as net.AddressInfo;
    tell({ serviceId: 1, network: "tcp", address: `127.0.0.1:${port}` });
    const dialled = expect(broker.dial(1)).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
    await vi.waitFor(() => expect(connections).toHaveLength(1));
    connections[0]?.end("this is no HTTP/2");
    await dialled;
  });

  test("gives up who takes the connection and says nothing", async () => {
    const path = join(directory, "silent.sock");
    const connections: net.Socket[] = [];
    const server = net.createServer((socket) => connections.push(socket)).listen(path);
    await once(server, "listening");
    closers.push(() => server.close());
    const { broker, tell } = startEnd();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    tell({ serviceId: 1, network: "unix", address: path });
    const dialled = expect(broker.dial(1)).rejects.toMatchObject({ errorCode: "PB-BROKER-TIMEOUT" });
    while (connections.length === 0) {
      await setImmediate();
    }
    await settle();
    await vi.advanceTimersByTimeAsync(5_000);
    await dialled;
    await new Promise((resolve) => connections[0]?.once("close", resolve).resume());
  });

  test("says that nothing responds at a socket that is gone", async () => {
    const { broker, tell } = startEnd();
    tell({ serviceId: 1, network: "unix", address: join(directory, "gone.sock") });
    await expect(broker.dial(1)).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
  });

  test("keeps the first of two messages about an id", async () => {
    const { broker, tell } = startEnd();
    tell({ serviceId: 1, network: "unix", address: "first" }, { serviceId: 1, network: "unix", address: "second" });
    await expect(broker.dial(1)).rejects.toMatchObject({ message: expect.stringContaining("unix:first") });
  });

  test("forgets after 5 s what no one has asked for", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { broker, tell } = startEnd();
    tell({ serviceId: 1, network: "unix", address: "first" });
    await settle();
    await vi.advanceTimersByTimeAsync(5_000);
    const dialled = expect(broker.dial(1)).rejects.toMatchObject({ errorCode: "PB-BROKER-TIMEOUT" });
    await vi.advanceTimersByTimeAsync(5_000);
    await dialled;
  });

  test("remembers so many ids and no more", async () => {
    const { broker, tell } = startEnd();
    tell(...Array.from({ length: 5_000 }, (_, index) => ({ serviceId: index + 1, network: "unix", address: "x" })));
    await settle();
    await expect(broker.dial(1024)).rejects.toMatchObject({ errorCode: "PB-BROKER-ADDRESS" });
    const controller = new AbortController();
    const beyond = broker.dial(2000, { signal: controller.signal });
    await settle();
    controller.abort(new Error("it waits"));
    await expect(beyond).rejects.toThrow("it waits");
  });

  test("takes no notice of knocks", async () => {
    const { broker, tell, heard } = startEnd();
    await broker.serve(echoAs("plugin"));
    tell({ serviceId: 1, knock: { knock: true } }, { serviceId: 1, knock: { knock: true, ack: true } });
    await settle();
    expect(heard).toMatchObject([{ serviceId: 1, network: "unix" }]);
  });

  test("of a plugin serves one host after the other, and keeps what it has to say until there is one", async () => {
    const end = createBroker({ side: "plugin", socketDirectory: directory, maxMessageBytes: 1_000_000 });
    closers.push(() => end.close());
    await end.broker.serve(echoAs("early"));
    const first = startCall(end);
    await vi.waitFor(() => expect(first.heard).toMatchObject([{ serviceId: 1 }]));
    first.hangUp();
    await first.ended;
    await end.broker.serve(echoAs("between"));
    const second = startCall(end);
    await vi.waitFor(() => expect(second.heard).toMatchObject([{ serviceId: 2 }]));
    const third = startCall(end);
    await second.ended;
    await end.broker.serve(echoAs("third"));
    await vi.waitFor(() => expect(third.heard).toMatchObject([{ serviceId: 3 }]));
    end.endStream();
    await third.ended;
  });
});

/** The same, multiplexed, with the other side's yamux session. */
async function startMultiplexedEnd() {
  const path = join(directory, "m.sock");
  const server = net.createServer().listen(path);
  await once(server, "listening");
  const ours = net.connect(path);
  const [theirs] = (await once(server, "connection")) as [net.Socket];
  server.close();
  const multiplexer = createMultiplexer("server");
  const unexpected: unknown[] = [];
  multiplexer.attach(ours, (stream) => unexpected.push(stream));
  const opened: unknown[] = [];
  const peer: YamuxSession = createYamuxSession(theirs, { role: "client", onStream: (stream) => opened.push(stream) });
  closers.push(
    () => multiplexer.close(),
    () => peer.close(),
  );
  return { ...startEnd({ multiplexer }), peer, unexpected, opened };
}

const knock = (serviceId: number): Info => ({ serviceId, knock: { knock: true } });
const ack = (serviceId: number, error = ""): Info => ({ serviceId, knock: { knock: true, ack: true, error } });

describe("a multiplexed broker", () => {
  test("replies to a knock as go-plugin does, byte for byte, and gives the next stream to what was asked for", async () => {
    const { broker, tell, heard, peer, unexpected } = await startMultiplexedEnd();
    await broker.serve(echoAs("plugin"));
    tell(knock(1));
    await vi.waitFor(() => expect(heard).toEqual([create(ConnInfoSchema, ack(1))]));
    const stream = peer.openStream();
    stream.write("this is no HTTP/2, so it is closed");
    await once(stream.resume(), "end");
    expect(unexpected).toHaveLength(0);
    peer.openStream();
    await vi.waitFor(() => expect(unexpected).toHaveLength(1));
  });

  test("replies to a knock that comes early once something is served", async () => {
    const { broker, tell, heard } = await startMultiplexedEnd();
    tell(knock(1), knock(2));
    await settle();
    expect(heard).toEqual([]);
    await broker.serve(echoAs("plugin"));
    await vi.waitFor(() => expect(heard).toEqual([create(ConnInfoSchema, ack(1))]));
  });

  test("expects so many streams and no more", async () => {
    const { broker, tell, heard } = await startMultiplexedEnd();
    await broker.serve(echoAs("plugin"));
    tell(...Array.from({ length: 300 }, () => knock(1)));
    await vi.waitFor(() => expect(heard).toHaveLength(300));
    expect(heard.filter(({ knock }) => knock?.error === "")).toHaveLength(256);
  });

  test("expects a stream for 5 s", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { broker, tell, heard, peer, unexpected } = await startMultiplexedEnd();
    await broker.serve(echoAs("plugin"));
    tell(knock(1));
    while (heard.length === 0) {
      await setImmediate();
    }
    await vi.advanceTimersByTimeAsync(5_000);
    peer.openStream();
    while (unexpected.length === 0) {
      await setImmediate();
    }
  });

  test("says why the other side refuses", async () => {
    const { broker, tell, heard } = await startMultiplexedEnd();
    const dialled = expect(broker.dial(3)).rejects.toMatchObject({
      errorCode: "PB-BROKER-REFUSED",
      message: expect.stringContaining("no listener for id 3"),
    });
    await vi.waitFor(() => expect(heard).toEqual([create(ConnInfoSchema, knock(3))]));
    tell(ack(3, "no listener for id 3"));
    await dialled;
  });

  test("knocks for one dial at a time, and opens a stream for a reply that no one waits for any more", async () => {
    const { broker, tell, heard, opened } = await startMultiplexedEnd();
    const controller = new AbortController();
    const first = expect(broker.dial(1, { signal: controller.signal })).rejects.toThrow("given up");
    const second = broker.dial(2);
    second.catch(() => undefined);
    await vi.waitFor(() => expect(heard).toMatchObject([{ serviceId: 1 }]));
    controller.abort(new Error("given up"));
    await first;
    await vi.waitFor(() => expect(heard).toMatchObject([{ serviceId: 1 }, { serviceId: 2 }]));
    tell(ack(1));
    await vi.waitFor(() => expect(opened).toHaveLength(1));
    tell(ack(1), ack(77));
    tell(ack(2));
    await vi.waitFor(() => expect(opened).toHaveLength(2));
  });

  test("takes no notice of addresses", async () => {
    const { broker, tell } = await startMultiplexedEnd();
    const controller = new AbortController();
    const dialled = broker.dial(1, { signal: controller.signal });
    tell({ serviceId: 1, network: "unix", address: join(directory, "x.sock") });
    await settle();
    controller.abort(new Error("still waiting"));
    await expect(dialled).rejects.toThrow("still waiting");
  });

  test("a broker whose connection is lost says so", async () => {
    const { broker, tell, heard, peer } = await startMultiplexedEnd();
    await peer.close();
    const dialled = expect(broker.dial(1)).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    tell(ack(1));
    await dialled;
  });
});

test("what the other side does not read is bounded", async () => {
  const end = createBroker({ side: "plugin", socketDirectory: directory, maxMessageBytes: 1_000_000 });
  closers.push(() => end.close());
  await Promise.all(Array.from({ length: 1024 }, () => end.broker.serve(() => undefined)));
  await expect(end.broker.serve(() => undefined)).rejects.toMatchObject({ errorCode: "PB-BROKER-LIMIT" });
});
