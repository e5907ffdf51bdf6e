import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";
import type { LocalTtrpc } from "../../support/ttrpc/local-ttrpc.ts";
import { connectTtrpc, maxConcurrentCalls, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";

/** A server whose Hang ends when it is told to, and one client that knows its limit. */
async function open(limit = maxConcurrentCalls) {
  let running = 0;
  let most = 0;
  const started: string[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const begin = (id: string) => {
    started.push(id);
    running += 1;
    most = Math.max(most, running);
  };
  const server = await serveTtrpc((router: ConnectRouter) => {
    router.service(BehaviourService, {
      async hang({ id }, { signal }) {
        begin(id);
        const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        await Promise.race([released, aborted]);
        running -= 1;
        return {};
      },
      async *produce({ id }) {
        begin(id);
        await released;
        yield {};
        running -= 1;
      },
      echo: ({ text }) => ({ text }),
    });
  });
  const ttrpc = connectTtrpc(server.path);
  const client = createClient(BehaviourService, ttrpc.knowing({ extended: true, maxConcurrentCalls: limit }));
  return {
    server,
    ttrpc,
    client,
    started,
    get most() {
      return most;
    },
    get running() {
      return running;
    },
    release,
    async [Symbol.asyncDispose]() {
      ttrpc[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function expectNothingLeft({ connections }: LocalTtrpc) {
  for (const connection of connections) {
    connection.drain();
    await connection.closed;
  }
}

describe("calls over what a server takes at once", () => {
  test.each(["unary", "server-streaming"])("wait for room, in the order in which they came: %s ones", async (kind) => {
    await using opened = await open();
    const { client, started, server } = opened;
    const ids = Array.from({ length: 300 }, (_, index) => String(index));
    const calls = ids.map((id) => (kind === "unary" ? client.hang({ id }) : Array.fromAsync(client.produce({ id }))));
    await vi.waitFor(() => expect(opened.running).toBe(maxConcurrentCalls));
    opened.release();
    await Promise.all(calls);
    expect(started).toEqual(ids);
    expect(opened.most).toBe(maxConcurrentCalls);
    await expectNothingLeft(server);
  });

  test("end at their deadline and by their signal while they wait, and those behind them go on", async () => {
    await using opened = await open(1);
    const { client, started, server } = opened;
    const first = client.hang({ id: "first" });
    await vi.waitFor(() => expect(opened.running).toBe(1));
    const controller = new AbortController();
    const late = rejection(client.hang({ id: "late" }, { timeoutMs: 1 }));
    const cancelled = rejection(client.hang({ id: "cancelled" }, { signal: controller.signal }));
    const behind = client.hang({ id: "behind" });
    expect(await late).toMatchObject({ code: Code.DeadlineExceeded });
    controller.abort();
    expect(await cancelled).toMatchObject({ code: Code.Canceled });
    opened.release();
    await Promise.all([first, behind]);
    expect(started).toEqual(["first", "behind"]);
    await expectNothingLeft(server);
  });

  test("give their place to the next when they are cancelled", async () => {
    await using opened = await open(1);
    const { client, started } = opened;
    const controller = new AbortController();
    const first = rejection(client.hang({ id: "first" }, { signal: controller.signal }));
    const second = client.hang({ id: "second" });
    await vi.waitFor(() => expect(opened.running).toBe(1));
    controller.abort();
    expect(await first).toMatchObject({ code: Code.Canceled });
    await vi.waitFor(() => expect(started).toEqual(["first", "second"]));
    opened.release();
    await second;
  });

  test("begin on another connection when the one they wait for is lost", async () => {
    await using opened = await open(1);
    const { client, server } = opened;
    const lost = rejection(client.hang({ id: "lost" }));
    const waiting = client.echo({ text: "not sent yet" });
    await vi.waitFor(() => expect(opened.running).toBe(1));
    server.sockets[0]?.destroy();
    expect(await lost).toMatchObject({ code: Code.Unavailable });
    expect((await waiting).text).toBe("not sent yet");
    expect(server.connections).toHaveLength(2);
  });

  test("end with their client", async () => {
    await using opened = await open(1);
    const { client, ttrpc, server } = opened;
    const calls = [rejection(client.hang({})), rejection(client.hang({})), rejection(client.hang({}))];
    await vi.waitFor(() => expect(opened.running).toBe(1));
    ttrpc.close(new ConnectError("closed", Code.Canceled));
    for (const call of calls) {
      expect(await call).toMatchObject({ rawMessage: "closed" });
    }
    expect(server.connections).toHaveLength(1);
    await expectNothingLeft(server);
  });
});

test("a server that does not say what it takes gets all calls at once", async () => {
  await using opened = await open();
  const client = createClient(BehaviourService, opened.ttrpc.plain);
  const calls = Array.from({ length: maxConcurrentCalls }, () => client.hang({}));
  expect(await rejection(client.hang({}))).toMatchObject({ code: Code.ResourceExhausted });
  opened.release();
  await Promise.all(calls);
});
