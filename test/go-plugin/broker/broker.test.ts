import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, test, vi } from "vitest";
import { isPlugboardError } from "../../../src/base/errors.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { BrokerPair } from "../../support/go-plugin/broker-pair.ts";
import { echoAs, modes, startPair } from "../../support/go-plugin/broker-pair.ts";

afterEach(() => {
  vi.useRealTimers();
});

const sides = [
  ["host", "plugin"],
  ["plugin", "host"],
] as const;

/** Calls what is served under an id. */
async function callOnce(pair: BrokerPair, from: "host" | "plugin", id: number): Promise<string> {
  await using dialled = await pair[from].broker.dial(id);
  const { text } = await createClient(BehaviourService, dialled.transport).echo({ text: "hello" });
  return text;
}

describe.each(modes)("a broker, %s,", (mode) => {
  test.each(sides)("lets the %s call what the %s serves", async (caller, callee) => {
    await using pair = await startPair(mode);
    await using server = await pair[callee].broker.serve(echoAs(`served by ${callee}`));
    expect(server.id).toBe(1);
    expect(await callOnce(pair, caller, server.id)).toBe(`served by ${callee}: hello`);
  });

  test("counts the ids of each side by themselves, so that the same one can mean two things", async () => {
    await using pair = await startPair(mode);
    const servers = await Promise.all([
      pair.host.broker.serve(echoAs("host 1")),
      pair.plugin.broker.serve(echoAs("plugin 1")),
      pair.host.broker.serve(echoAs("host 2")),
      pair.plugin.broker.serve(echoAs("plugin 2")),
    ]);
    expect(servers.map(({ id }) => id)).toEqual([1, 1, 2, 2]);
    const responses = [2, 1].flatMap((id) => [callOnce(pair, "plugin", id), callOnce(pair, "host", id)]);
    expect(await Promise.all(responses)).toEqual([
      "host 2: hello",
      "plugin 2: hello",
      "host 1: hello",
      "plugin 1: hello",
    ]);
  });

  test("gives a method something to call back, and something to call afterwards", async () => {
    await using pair = await startPair(mode, {
      routes: (end) => (router) =>
        router.service(BehaviourService, {
          async echo({ text }) {
            await using back = await end.broker.dial(Number(text));
            const response = await createClient(BehaviourService, back.transport).echo({ text: "from the method" });
            const { id } = await end.broker.serve(echoAs(`after ${response.text}`));
            return { text: String(id) };
          },
        }),
    });
    await using callback = await pair.host.broker.serve(echoAs("callback"));
    const { text } = await pair.client.echo({ text: String(callback.id) });
    expect(await callOnce(pair, "host", Number(text))).toBe("after callback: from the method: hello");
  });

  test("cancels a call whose response is left early", async () => {
    await using pair = await startPair(mode);
    const cancelled = Promise.withResolvers<void>();
    await using server = await pair.plugin.broker.serve((router) =>
      router.service(BehaviourService, {
        async *produce(_request, { signal }) {
          signal.addEventListener("abort", () => cancelled.resolve());
          yield {};
          await cancelled.promise;
        },
      }),
    );
    await using dialled = await pair.host.broker.dial(server.id);
    for await (const _ of dialled.client(BehaviourService).produce({})) {
      break;
    }
    await cancelled.promise;
  });

  test("waits for what is not served yet", async () => {
    await using pair = await startPair(mode);
    const response = callOnce(pair, "host", 1);
    for (let turn = 0; turn < 20; turn++) {
      await setImmediate();
    }
    await using _server = await pair.plugin.broker.serve(echoAs("late"));
    expect(await response).toBe("late: hello");
  });

  test("carries messages of a megabyte, and refuses those beyond the limit", async () => {
    await using pair = await startPair(mode);
    await using server = await pair.plugin.broker.serve(echoAs("large"));
    await using dialled = await pair.host.broker.dial(server.id);
    const client = createClient(BehaviourService, dialled.transport);
    const data = new Uint8Array(1024 * 1024).fill(7);
    expect(Buffer.compare((await client.echo({ data })).data, data)).toBe(0);
    await expect(client.echo({ data: new Uint8Array(5 * 1024 * 1024) })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  test("serves what was registered and nothing else", async () => {
    await using pair = await startPair(mode);
    await using server = await pair.plugin.broker.serve(() => undefined);
    await using dialled = await pair.host.broker.dial(server.id);
    await expect(createClient(BehaviourService, dialled.transport).echo({})).rejects.toMatchObject({
      code: Code.Unimplemented,
    });
  });

  test("says that nothing is served under an id, after 5 s", async () => {
    await using pair = await startPair(mode);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const failed = expect(pair.host.broker.dial(7)).rejects.toMatchObject({
      errorCode: "PB-BROKER-TIMEOUT",
      code: Code.DeadlineExceeded,
    });
    await vi.advanceTimersByTimeAsync(5_000);
    await failed;
  });

  test("gives up dialling when it is told to", async () => {
    await using pair = await startPair(mode);
    const controller = new AbortController();
    const dialled = pair.host.broker.dial(1, { signal: controller.signal });
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    await expect(dialled).rejects.toBe(reason);
    await expect(pair.host.broker.dial(1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    // What was given up is in no one's way.
    await using server = await pair.plugin.broker.serve(echoAs("plugin"));
    const other = await pair.plugin.broker.serve(echoAs("other"));
    expect(await callOnce(pair, "host", other.id)).toBe("other: hello");
    expect(server.id).toBe(1);
  });

  test.each([0, -1, 1.5, 2 ** 32, Number.NaN])("refuses to dial %d", async (id) => {
    await using pair = await startPair(mode);
    await expect(pair.host.broker.dial(id)).rejects.toMatchObject({ errorCode: "PB-BROKER-ID" });
  });

  test("refuses what can't be registered", async () => {
    await using pair = await startPair(mode);
    await expect(
      pair.host.broker.serve((router) => {
        echoAs("one")(router);
        echoAs("two")(router);
      }),
    ).rejects.toMatchObject({ errorCode: "PB-PLUGIN-DUPLICATE-SERVICE" });
    expect(await pair.host.broker.serve(echoAs("one"))).toMatchObject({ id: 1 });
  });

  test("says that the plugin has none", async () => {
    await using pair = await startPair(mode, { withoutBroker: true });
    await expect(pair.host.broker.dial(1)).rejects.toMatchObject({ errorCode: "PB-BROKER-MISSING" });
    await expect(pair.host.broker.serve(echoAs("host"))).rejects.toMatchObject({ errorCode: "PB-BROKER-MISSING" });
  });

  test("ends with its stream of messages on the host's side", async () => {
    await using pair = await startPair(mode);
    const served = await pair.plugin.broker.serve(echoAs("plugin"));
    expect(await callOnce(pair, "host", served.id)).toBe("plugin: hello");
    const pending = pair.host.broker.dial(9);
    pair.plugin.endStream();
    await expect(pending).rejects.toMatchObject({ errorCode: "PB-BROKER-CLOSED" });
    await expect(pair.host.broker.dial(9)).rejects.toMatchObject({ errorCode: "PB-BROKER-CLOSED" });
    await expect(pair.host.broker.serve(echoAs("host"))).rejects.toMatchObject({ errorCode: "PB-BROKER-CLOSED" });
  });

  test("closes what is served and dialled with itself, also what no one has dialled", async () => {
    await using pair = await startPair(mode);
    const served = await pair.plugin.broker.serve(echoAs("plugin"));
    await pair.plugin.broker.serve(echoAs("never dialled"));
    const dialled = await pair.host.broker.dial(served.id);
    const pending = pair.host.broker.dial(5);
    const failed = expect(pending).rejects.toMatchObject({ errorCode: "PB-BROKER-CLOSED" });
    await pair.host.close();
    await failed;
    await expect(createClient(BehaviourService, dialled.transport).echo({})).rejects.toMatchObject({
      errorCode: "PB-CONNECTION-CLOSED",
    });
    await expect(pair.host.broker.serve(echoAs("host"))).rejects.toMatchObject({ errorCode: "PB-BROKER-CLOSED" });
    await pair.plugin.close();
    expect(pair.sockets()).toEqual(["p.sock"]);
  });

  test("lets calls in flight finish when a server closes", async () => {
    await using pair = await startPair(mode);
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const server = await pair.plugin.broker.serve((router) =>
      router.service(BehaviourService, {
        async echo() {
          enter();
          await released;
          return { text: "finished" };
        },
      }),
    );
    await using dialled = await pair.host.broker.dial(server.id);
    const call = createClient(BehaviourService, dialled.transport).echo({});
    await entered;
    const closed = server.close();
    release();
    expect((await call).text).toBe("finished");
    await closed;
  });

  test("tells callers that a server has closed", async () => {
    await using pair = await startPair(mode);
    const server = await pair.plugin.broker.serve(echoAs("plugin"));
    await using dialled = await pair.host.broker.dial(server.id);
    const client = createClient(BehaviourService, dialled.transport);
    await client.echo({});
    await server.close();
    await vi.waitFor(async () => {
      const error: unknown = await client.echo({}).catch((reason: unknown) => reason);
      expect(isPlugboardError(error, mode === "classic" ? "PB-DIAL-FAILED" : "PB-BROKER-REFUSED")).toBe(true);
    });
  });
});

describe("a classic broker", () => {
  test("makes sockets that only this user can use, and removes them", async () => {
    await using pair = await startPair("classic");
    const server = await pair.plugin.broker.serve(echoAs("plugin"));
    const [name = ""] = pair.sockets().filter((each) => each !== "p.sock");
    expect(name).toMatch(/^b[0-9a-f]{12}[.]sock$/);
    expect(statSync(join(dirname(pair.path), name)).mode & 0o777).toBe(0o600);
    await server.close();
    expect(pair.sockets()).toEqual(["p.sock"]);
  });

  test("serves gRPC alone", async () => {
    await using pair = await startPair("classic");
    await using _server = await pair.plugin.broker.serve(echoAs("plugin"));
    const [name = ""] = pair.sockets().filter((each) => each !== "p.sock");
    const transport = createConnectTransport({
      baseUrl: "http://localhost",
      httpVersion: "2",
      nodeOptions: { path: join(dirname(pair.path), name) },
    });
    await expect(createClient(BehaviourService, transport).echo({})).rejects.toThrow();
  });
});

describe("a multiplexed broker", () => {
  test("makes no sockets", async () => {
    await using pair = await startPair("multiplexed");
    await using server = await pair.plugin.broker.serve(echoAs("plugin"));
    await callOnce(pair, "host", server.id);
    expect(pair.sockets()).toEqual(["p.sock"]);
  });

  test("dials the same id as often as wanted, at the same time too", async () => {
    await using pair = await startPair("multiplexed");
    const server = await pair.plugin.broker.serve(echoAs("plugin"));
    const responses = await Promise.all(Array.from({ length: 20 }, () => callOnce(pair, "host", server.id)));
    expect(responses).toEqual(Array.from({ length: 20 }, () => "plugin: hello"));
  });

  test("refuses an id under which nothing is served any more", async () => {
    await using pair = await startPair("multiplexed");
    const server = await pair.plugin.broker.serve(echoAs("plugin"));
    await server.close();
    await expect(pair.host.broker.dial(server.id)).rejects.toMatchObject({ errorCode: "PB-BROKER-REFUSED" });
  });
});
