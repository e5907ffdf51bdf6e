import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { compare, fails, formatVerdict } from "../../bench/guard/compare.ts";
import type { Recording } from "../../bench/guard/record.ts";
import { formatNoise, ratiosOf, readRecordings, rowsOf, writeRecording } from "../../bench/guard/record.ts";

test.each([
  { lost: 34, kind: "lost" },
  { lost: 32, kind: "kept" },
  { lost: 0, kind: "kept" },
  { lost: -50, kind: "kept" },
])("a row that has lost $lost% is $kind", ({ lost, kind }) => {
  const verdicts = compare({ streams: 0.5 }, { streams: 0.5 * (1 - lost / 100) });
  expect(verdicts.map((each) => each.kind)).toEqual([kind]);
  expect(verdicts.some(fails)).toBe(kind === "lost");
});

test.each([
  { what: "was not measured", measured: {} },
  { what: "came out as no number", measured: { streams: Number.NaN } },
])("a recorded row that $what fails", ({ measured }) => {
  const verdicts = compare({ streams: 0.5 }, measured);
  expect(verdicts).toEqual([{ row: "streams", kind: "missing", recorded: 0.5 }]);
  expect(verdicts.some(fails)).toBe(true);
});

test("a row that is not recorded yet is told and does not fail", () => {
  const [verdict] = compare({}, { streams: 0.25 });
  expect(verdict).toEqual({ row: "streams", kind: "new", measured: 0.25 });
  expect(verdict && fails(verdict)).toBe(false);
  expect(verdict && formatVerdict(verdict, "")).toContain("streams: 0.25, not recorded yet");
});

test("one row that has lost does not hide behind others that have gained", () => {
  const verdicts = compare({ unary: 1, streams: 1 }, { unary: 9, streams: 0.5 });
  expect(verdicts.filter(fails).map(({ row }) => row)).toEqual(["streams"]);
});

test("a row that fails is told with its record, its measure and the command that looks closer", () => {
  const [verdict] = compare({ streams: 0.5 }, { streams: 0.25 });
  expect(verdict && formatVerdict(verdict, "npm run bench -- --only streaming")).toBe(
    "LOST     streams: 0.5 recorded, 0.25 measured (-50%); a third is allowed. Look closer: npm run bench -- --only streaming",
  );
});

test("a recording replaces only the one for the same number of cores", () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-guard-"));
  const file = pathToFileURL(join(folder.path, "ratios.json"));
  const recording = (ratio: number): Recording => ({
    node: "v24.0.0",
    processor: "any",
    runs: 1,
    rows: { streams: { ratio, lowest: ratio, highest: ratio } },
  });
  expect(readRecordings(file)).toEqual({});
  writeRecording(file, 2, recording(0.5));
  writeRecording(file, 8, recording(0.7));
  writeRecording(file, 2, recording(0.6));
  const recordings = readRecordings(file);
  expect(Object.values(recordings).map(ratiosOf)).toEqual([{ streams: 0.6 }, { streams: 0.7 }]);
});

test("what is recorded of several runs is the median of each row that all of them have", () => {
  const rows = rowsOf([{ unary: 3, streams: 1 }, { unary: 1 }, { unary: 2, streams: 2 }]);
  expect(rows).toEqual({ unary: { ratio: 2, lowest: 1, highest: 3 } });
});

test.each([
  { lowest: 0.7, told: false },
  { lowest: 0.6, told: true },
])("a row whose lowest run is $lowest of the median would fail by chance: $told", ({ lowest, told }) => {
  expect(formatNoise(["streams", { ratio: 1, lowest, highest: 1.1 }]).includes("MORE THAN A THIRD")).toBe(told);
});
