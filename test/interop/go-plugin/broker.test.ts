import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Client } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { localKeepalive } from "../../../src/call/time/keepalive.ts";
import { createBroker } from "../../../src/go-plugin/broker/create-broker.ts";
import { startBrokerStream } from "../../../src/go-plugin/broker/start-stream.ts";
import { createMultiplexer } from "../../../src/go-plugin/yamux/multiplexer.ts";
import { createHttp2Connection } from "../../../src/node/dial/http2-connection.ts";
import type { Broker } from "../../../src/plugin/broker.ts";
import type { Routes } from "../../../src/plugin/service-table.ts";
import { PingPong, Test } from "../../gen/interop/goplugin/grpctest_pb.ts";
import { startGoHost } from "./go-host.ts";
import { goProgram, lacksGo } from "./go-programs.ts";

const modes = ["classic", "multiplexed"] as const;

const cookie = { PLUGBOARD_INTEROP: "go" };

/** Offers what the Go plugin calls. */
const pingPong: Routes = (router) => router.service(PingPong, { ping: () => ({ msg: "pong from ours" }) });

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "go-broker-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(lacksGo)("a broker, for which go has to be on PATH", { timeout: 300_000 }, () => {
  test.each(modes)("of ours, %s, does in a plugin what a host of go-plugin's expects of it", async (mode) => {
    const script = join(import.meta.dirname, "plugins", "brokered.ts");
    const flags = mode === "multiplexed" ? ["-multiplex"] : [];
    const command = [process.execPath, "--conditions=plugboard-source", script];
    await using host = await startGoHost([...flags, "--", ...command], { TMPDIR: directory });
    expect(host.started).toMatchObject({ event: "started" });
    expect(await host.call(Test.method.double, { input: 21 })).toMatchObject({ output: 42 });
    // In turn each side serves and the other one dials, several times.
    for (let round = 1; round <= 3; round++) {
      const data = Buffer.from([0x0a, 0x04, ...Buffer.from("ping")]).toString("base64");
      const { broker: theirs = 0 } = await host.tell("serve", { data });
      const { id } = await host.call(Test.method.bidirectional, { id: theirs });
      expect({ theirs, id }).toEqual({ theirs: round, id: round });
      expect(await host.call(PingPong.method.ping, {}, id)).toMatchObject({ msg: "ping and back" });
      expect(await host.call(PingPong.method.ping, {}, id)).toMatchObject({ msg: "ping and back" });
    }
    expect(host.events.filter(({ event }) => event === "served")).toHaveLength(3);
    expect(await host.tell("kill")).toMatchObject({ exited: true });
    expect(host.events.map(({ record }) => record?.["@message"])).not.toContain("plugin failed to exit gracefully");
    expect(readdirSync(directory)).toEqual([]);
  });

  /** Starts the Go plugin, as our host's end of it. */
  async function startGoPlugin(mode: (typeof modes)[number]) {
    const child = spawn(await goProgram("./plugin"), {
      env: {
        ...process.env,
        ...cookie,
        TMPDIR: directory,
        PLUGIN_PROTOCOL_VERSIONS: "1",
        ...(mode === "multiplexed" && { PLUGIN_MULTIPLEX_GRPC: "true" }),
      },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const exited = once(child, "exit");
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const multiplexer = mode === "multiplexed" ? createMultiplexer("client") : undefined;
    const end = createBroker({
      side: "host",
      socketDirectory: directory,
      maxMessageBytes: 4 * 1024 * 1024,
      ...(multiplexer && { multiplexer }),
    });
    const socket = net.connect({ path: line.split("|")[3] ?? "" });
    await once(socket, "connect");
    multiplexer?.attach(socket);
    const connection = createHttp2Connection({
      baseUrl: "http://localhost",
      opener: async () => multiplexer?.openStream() ?? socket,
      address: { text: "the Go plugin" },
      keepalive: localKeepalive,
    });
    const transport = createGrpcTransport({ baseUrl: "http://localhost", sessionManager: connection });
    startBrokerStream(end, transport);
    return {
      broker: end.broker,
      client: createClient(Test, transport),
      async [Symbol.asyncDispose]() {
        await end.close();
        connection.close();
        await multiplexer?.close();
        child.kill();
        await exited;
      },
    };
  }

  /** Lets the plugin call us, then calls it, each at an id of the broker. */
  async function bothWays(broker: Broker, client: Client<typeof Test>): Promise<string> {
    await using server = await broker.serve(pingPong);
    const { id } = await client.bidirectional({ id: server.id });
    await using dialled = await broker.dial(id);
    return (await createClient(PingPong, dialled.transport).ping({})).msg;
  }

  test.each(modes)("of ours, %s, does in a host what a plugin of go-plugin's expects of it", async (mode) => {
    await using plugin = await startGoPlugin(mode);
    expect(await plugin.client.double({ input: 21 })).toMatchObject({ output: 42 });
    for (let round = 0; round < 3; round++) {
      expect(await bothWays(plugin.broker, plugin.client)).toBe("pong");
    }
    const many = Array.from({ length: 10 }, () => bothWays(plugin.broker, plugin.client));
    expect(await Promise.all(many)).toEqual(Array.from({ length: 10 }, () => "pong"));
  });

  test.each(modes)("of ours, %s, is told by a plugin of go-plugin's that nothing is served", async (mode) => {
    await using plugin = await startGoPlugin(mode);
    const server = await plugin.broker.serve(pingPong);
    await server.close();
    // It waits 5 s in one of the modes, and says what it was told in the other.
    await expect(plugin.client.bidirectional({ id: server.id + 1 })).rejects.toThrow(/timeout waiting/);
  });

  test("of ours, multiplexed, says a plugin of go-plugin's what it doesn't serve any more", async () => {
    await using plugin = await startGoPlugin("multiplexed");
    const server = await plugin.broker.serve(pingPong);
    await server.close();
    await expect(plugin.client.bidirectional({ id: server.id })).rejects.toThrow("nothing is served under id 1");
  });

  test("of ours, multiplexed, carries as much as there is over the streams of a plugin of go-plugin's", async () => {
    await using plugin = await startGoPlugin("multiplexed");
    async function* requests() {
      for (let input = 0; input < 20_000; input++) {
        yield { input };
      }
    }
    let received = 0;
    for await (const { output } of plugin.client.stream(requests())) {
      expect(output).toBe(received);
      received += 1;
    }
    expect(received).toBe(20_000);
  });
});
