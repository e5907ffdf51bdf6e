import type { Driver } from "../contender.ts";
import type { Effort, Measurement } from "../measurement.ts";
import { createRounds, formatSize, inTurn } from "../measurement.ts";

/** A contender that is connected. */
export interface Connected {
  readonly name: string;
  readonly oneAtATime: boolean;
  readonly driver: Driver;
}

/** Unary calls per second, by size and by how many are in flight at once. */
export async function measureUnary(all: readonly Connected[], effort: Effort): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  for (const size of effort.sizes) {
    for (const concurrency of effort.concurrencies) {
      const title = `unary, ${formatSize(size)}, ${concurrency} at once`;
      const able = all.filter(({ oneAtATime }) => concurrency === 1 || !oneAtATime);
      const shown = await inRounds(title, able, effort, (driver) =>
        driver.unary(size, concurrency, effort.milliseconds),
      );
      measurements.push({ part: "unary", title, unit: "calls/s", size, concurrency, ...shown });
    }
  }
  return measurements;
}

/** Messages per second of one server stream after the other, by size. */
export async function measureStreaming(all: readonly Connected[], effort: Effort): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  for (const size of effort.sizes) {
    const title = `server stream, ${formatSize(size)} a message`;
    const count = Math.max(32, Math.min(4096, (32 * 1024 * 1024) / size));
    const shown = await inRounds(title, all, effort, (driver) => driver.stream(size, count, effort.milliseconds));
    measurements.push({ part: "streaming", title, unit: "messages/s", size, ...shown });
  }
  return measurements;
}

/**
 * One round more than asked for: the first, which warms up, does not count. A contender that fails is left out, with
 * the reason.
 */
export async function inRounds(
  title: string,
  all: readonly Connected[],
  effort: Effort,
  run: (driver: Driver) => ReturnType<Driver["unary"]>,
): Promise<Pick<Measurement, "rounds" | "failures">> {
  process.stderr.write(`${title}\n`);
  const { rounds, add } = createRounds(all.map(({ name }) => name));
  const failures: Record<string, string> = {};
  for (let round = 0; round <= effort.rounds; round++) {
    for (const { name, driver } of inTurn(all, round).filter((each) => failures[each.name] === undefined)) {
      try {
        const { done, seconds } = await run(driver);
        if (round > 0) {
          add(name, done / seconds);
        }
      } catch (error) {
        failures[name] = String(error);
        delete rounds[name];
      }
    }
  }
  return { rounds, failures };
}
