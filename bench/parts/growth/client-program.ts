/**
 * The client's end of what is measured of growth: calls a contender's server as its parent tells it, one message after
 * the other. On the command line: the contender, and where its server listens.
 */
import type { Driver } from "../../contender.ts";
import { givenIdentity } from "../../contenders/identity.ts";
import { growthContenders } from "./contenders.ts";
import { driveOpenLoop } from "./open-loop.ts";
import { collectMemory } from "./own-memory.ts";

const [name, place = ""] = process.argv.slice(2);
const contender = growthContenders.find((each) => each.name === name);
if (contender === undefined) {
  throw new Error(`there is no contender ${name}`);
}
const { connect, connectTcp } = contender;
const connections: Driver[] = [await open()];
const streams: AsyncIterator<unknown>[] = [];

/** What the parent can ask for. */
const operations = {
  /** Calls of so many at once, and the time they took. */
  unary: (size: number, concurrency: number, milliseconds: number) => first().unary(size, concurrency, milliseconds),
  /** Calls one connection after the other, all of them at least once. Returns calls per second of so many at once. */
  async eachConnection(size: number, concurrency: number, milliseconds: number): Promise<number> {
    const start = performance.now();
    let begun = 0;
    const work = async () => {
      while (begun < connections.length || performance.now() - start < milliseconds) {
        const driver = connections[begun++ % connections.length];
        await driver?.unary(size, 1, 0);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return begun / ((performance.now() - start) / 1000);
  },
  /** Latencies at a fixed rate. */
  openLoop: (size: number, rate: number, milliseconds: number) =>
    driveOpenLoop(() => first().unary(size, 1, 0), rate, milliseconds),
  /** Makes so many calls, so many at once. */
  async calls(size: number, concurrency: number, count: number): Promise<void> {
    let left = count;
    const work = async () => {
      while (left > 0) {
        left -= 1;
        await first().unary(size, 1, 0);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  },
  /** Opens connections until there are so many. Returns seconds. */
  async connections(count: number): Promise<number> {
    return grow(connections, count, open);
  },
  /** Opens streams until there are so many, and reads a message of each. Returns seconds. */
  async streams(count: number): Promise<number> {
    const { openStream } = first();
    if (openStream === undefined) {
      throw new Error("it has no streams that stay open");
    }
    return grow(streams, count, () => openStream());
  },
  memory: collectMemory,
} as const;

export type Operations = typeof operations;

process.on("message", async ({ operation, args }: { operation: keyof Operations; args: readonly number[] }) => {
  try {
    const run: (...numbers: number[]) => unknown = operations[operation];
    process.send?.({ value: await run(...args) });
  } catch (error) {
    process.send?.({ failure: String(error) });
  }
});
process.send?.({ value: "ready" });

function first(): Driver {
  const [driver] = connections;
  if (driver === undefined) {
    throw new Error("it is not connected");
  }
  return driver;
}

function open(): Promise<Driver> {
  if (!place.startsWith("tcp:")) {
    return connect(place);
  }
  if (connectTcp === undefined) {
    throw new Error("it has no connections over TCP");
  }
  return connectTcp(Number(place.slice(4)), givenIdentity());
}

/** 64 at a time, as a listener's backlog holds no more than some hundreds. */
async function grow<T>(present: T[], count: number, make: () => Promise<T>): Promise<number> {
  const start = performance.now();
  let missing = count - present.length;
  const work = async () => {
    while (missing > 0) {
      missing -= 1;
      present.push(await make());
    }
  };
  await Promise.all(Array.from({ length: 64 }, work));
  return (performance.now() - start) / 1000;
}
