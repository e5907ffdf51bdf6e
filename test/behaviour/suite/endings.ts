import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection, Keepalive, MethodKind } from "plugboard";
import { isPlugboardError } from "plugboard";
import { afterAll, describe, expect, test, vi } from "vitest";
import type { WatchResponse } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Ending, How } from "../endings.ts";
import { endingsOfAll } from "../endings.ts";

/** A way to a plugin that comes to an end. */
export interface EndingRoute {
  readonly name: string;
  /** The kinds of method that it can't carry. */
  readonly lacks?: readonly MethodKind[];
  /** HTTP/1.1 has none. */
  readonly pings: boolean;
  open(keepalive: Partial<Keepalive>): Promise<Line>;
}

/** A connection over a route. */
export interface Line {
  readonly connection: Connection;
  /** Brings about what its plugin, or it, can come to; settles when that is brought about. Several lines may share a plugin. */
  end(how: How): Promise<unknown>;
  /** Makes good what can be, for calls to come. */
  restore(): void;
  close(): Promise<void>;
}

/** A place of a plugin, and the routes that lead there. */
export interface EndingPlace {
  readonly name: string;
  readonly routes: readonly EndingRoute[];
  /** The ends that it can come to. */
  readonly hows: readonly How[];
  /** Its runtime tells handlers that their callers have gone only when they respond. */
  readonly noticesLate?: boolean;
  /** Stops what is left of it. */
  stop?(): Promise<unknown>;
}

const impatient: Keepalive = { pingAfterMs: 100, pingTimeoutMs: 1_000 };

/** Calls of every kind that are under way have the same code over every route when their plugin or connection comes to an end. */
export function describeEndings({ name, routes, hows, noticesLate = false, stop }: EndingPlace) {
  describe(`calls under way to a plugin ${name}`, () => {
    afterAll(() => stop?.());

    test.each(hows)("when it is %s", { timeout: 60_000 }, async (how) => {
      const byPings = routes.map((route) => ({ route, ending: endingOf(how, route) }));
      const lines = await Promise.all(
        byPings.map(async ({ route, ending }) => {
          const line = await route.open(ending.pings === undefined ? {} : impatient);
          return { route, ending, line, calls: await startCalls(line.connection, route, ending) };
        }),
      );
      try {
        const ended = Promise.all(lines.map(({ line }) => line.end(how)));
        if (how === "terminated") {
          for (const { calls } of lines) {
            calls.goOn();
          }
        }
        await ended;
        for (const { calls } of lines) {
          calls.read();
        }
        const seen = await Promise.all(lines.map(async ({ calls }) => await calls.outcomes()));
        expect(Object.fromEntries(seen.map((outcome, index) => [routes[index]?.name, outcome]))).toEqual(
          Object.fromEntries(lines.map(({ route, calls }) => [route.name, calls.expected])),
        );
        for (const { line } of lines) {
          line.restore();
        }
        const next = lines.map(({ line }) => line.connection.client(BehaviourService).echo({ text: "next" }));
        for (const [index, outcome] of (await Promise.allSettled(next)).entries()) {
          const { route, ending } = lines[index] ?? {};
          const told = outcome.status === "fulfilled" ? "next" : Code[ConnectError.from(outcome.reason).code];
          expect([route?.name, told]).toEqual([route?.name, ending?.next === undefined ? "next" : Code[ending.next]]);
        }
        if ((how === "ended" || how === "reset") && !noticesLate) {
          await Promise.all(lines.map(({ calls }) => calls.finished()));
        }
      } finally {
        for (const { line } of lines) {
          line.restore();
        }
        await Promise.all(lines.map(({ line }) => line.close()));
      }
    });
  });
}

function endingOf(how: How, { name, pings }: EndingRoute): Ending {
  const ending = endingsOfAll.find((each) => each.how === how && (each.pings ?? pings) === pings);
  if (ending === undefined) {
    throw new Error(`no one says what happens over ${name} when its plugin is ${how}`);
  }
  return ending;
}

/** Starts calls of every kind that the route carries, and returns when the plugin has begun each of them. */
async function startCalls(
  connection: Connection,
  { lacks = [] }: EndingRoute,
  { how, code, pings, errorCodes }: Ending,
) {
  const client = connection.client(BehaviourService);
  // Always one: workerd itself ends what waits for nothing at all.
  const options = { timeoutMs: pings === false ? 3_000 : 60_000 };
  const { promise: more, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: readOn, resolve: read } = Promise.withResolvers<void>();
  const id = crypto.randomUUID();

  async function* requests(kind: string, next: Promise<void>) {
    yield { id: `${id} ${kind}` };
    await next;
  }
  async function readProduced(kind: string, count: number, next: Promise<void>) {
    const responses = client.produce({ id: `${id} ${kind}`, count, size: 10_000 }, options);
    for await (const _message of responses) {
      await next;
    }
  }
  const never = new Promise<void>(() => {});
  const calls: Record<string, Promise<unknown>> = {
    unary: client.hang({ id: `${id} unary` }, options),
    "server-streaming": readProduced("server-streaming", 0, readOn),
  };
  /** Those that end well if they get to. */
  const brief: Record<string, Promise<unknown>> = {};
  if (how === "terminated") {
    brief["brief server-streaming"] = readProduced("brief server-streaming", 100, more);
  }
  if (!lacks.includes("client_streaming")) {
    calls["client-streaming"] = client.collect(requests("client-streaming", never), options);
    if (how === "terminated") {
      brief["brief client-streaming"] = client.collect(requests("brief client-streaming", more));
    }
  }
  if (!lacks.includes("bidi_streaming")) {
    calls["bidi-streaming"] = Array.fromAsync(client.converse(requests("bidi-streaming", never), options));
    if (how === "terminated") {
      brief["brief bidi-streaming"] = Array.fromAsync(client.converse(requests("brief bidi-streaming", more)));
    }
  }
  const all = { ...calls, ...brief };
  const settled = Promise.allSettled(Object.values(all));
  const allAre = (state: Partial<WatchResponse>) =>
    Promise.all(
      Object.keys(all).map((kind) =>
        vi.waitFor(async () => expect(await client.watch({ id: `${id} ${kind}` })).toMatchObject(state), {
          timeout: 10_000,
        }),
      ),
    );
  await allAre({ started: true });

  const told = (reason: unknown) => {
    const isPlausible = errorCodes?.some((each) => isPlugboardError(reason, each)) ?? true;
    return isPlausible ? Code[ConnectError.from(reason).code] : String(reason);
  };
  return {
    /** Lets the brief calls end. */
    goOn,
    /** Reads on what the plugin streams. */
    read,
    expected: {
      ...Object.fromEntries(Object.keys(calls).map((kind) => [kind, Code[code]])),
      ...Object.fromEntries(Object.keys(brief).map((kind) => [kind, "well"])),
    },
    /** Settles when the plugin has ended all of them, too. */
    finished: () => allAre({ finished: true }),
    async outcomes() {
      const outcomes = await settled;
      return Object.fromEntries(
        Object.keys(all).map((kind, index) => {
          const outcome = outcomes[index];
          return [kind, outcome?.status === "rejected" ? told(outcome.reason) : "well"];
        }),
      );
    },
  };
}
