import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import type { Measurement } from "../../bench/measurement.ts";
import { driveOpenLoop, quantile } from "../../bench/parts/growth/open-loop.ts";
import { drawCharts } from "../../bench/report/charts.ts";
import { readResults, withEarlier, writeResults } from "../../bench/report/results.ts";
import { outcomes } from "../../bench/targets.ts";

const point = (at: number, value: number): Measurement => ({
  part: "concurrency",
  title: `calls, ${at}`,
  unit: "calls/s",
  curve: { file: "growth-concurrency-calls", title: "Calls", along: "in flight", at },
  rounds: { ttrpc: [value, value, value] },
});

test("an open loop makes as many calls as its rate and time say, though none of the first has ended", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  const { p50, p99, p999 } = await driveOpenLoop(
    () => {
      begun += 1;
      if (begun === 100) {
        resolve();
      }
      return promise;
    },
    1000,
    100,
  );
  expect(begun).toBe(100);
  // All end together, so that the first call took the longest.
  expect(p50).toBeLessThanOrEqual(p99);
  expect(p99).toBeLessThanOrEqual(p999);
});

test("an open loop counts a pause for every call that it delays", async () => {
  let begun = 0;
  const stop = performance.now() + 60;
  const { p50 } = await driveOpenLoop(
    async () => {
      begun += 1;
      while (begun === 1 && performance.now() < stop) {
        // Holds up the whole process, once.
      }
    },
    1000,
    50,
  );
  // Each call took no time once it had begun; half of them were meant to begin before the middle of the pause.
  expect(p50).toBeGreaterThan(10);
});

test("an open loop fails with its call", async () => {
  await expect(driveOpenLoop(() => Promise.reject(new Error("refused")), 1000, 10)).rejects.toThrow("refused");
});

test.each([
  { part: 0.5, value: 5 },
  { part: 0.99, value: 10 },
  { part: 0.1, value: 1 },
])("the quantile $part of one to ten is $value", ({ part, value }) => {
  expect(quantile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], part)).toBe(value);
});

test.each([
  { much: 81, met: true },
  { much: 79, met: false },
])("calls that make $much% of their speed where there are many meet the goal of flat costs: $met", ({ much, met }) => {
  expect(outcomes([point(64, 100), point(4096, much)]).map((each) => each.met)).toEqual([met]);
});

test("the points of a curve become one chart, without those that are nought", () => {
  const charts = drawCharts([point(1, 0), point(64, 100), point(4096, 80)], (name) => name);
  expect([...charts.keys()]).toEqual(["growth-concurrency-calls.svg"]);
  expect(charts.get("growth-concurrency-calls.svg")?.match(/<circle/g)).toHaveLength(2);
});

test("what is measured again takes the place of its part, and the other parts stay", () => {
  using folder = mkdtempDisposableSync(`${tmpdir()}/plugboard-results-`);
  const streaming: Measurement = {
    part: "streaming",
    title: "stream, 64 KiB",
    unit: "messages/s",
    size: 65_536,
    rounds: { ttrpc: [1] },
  };
  writeResults(folder.path, { measurements: [streaming, point(64, 100)], missing: {}, rounds: 1 }, String);
  const earlier = readResults(folder.path);
  expect(earlier?.measurements[0]?.size).toBe(65_536);
  const run = { measurements: [point(64, 50)], missing: {}, rounds: 1 };
  const merged = earlier && withEarlier(run, earlier).measurements;
  expect(merged).toEqual([streaming, point(64, 50)]);
});
