/** The parts of the benchmark. */
export const parts = ["unary", "streaming", "memory", "startup", "edge"] as const;

/** Parts that show what becomes of a call as one thing grows; `growth` on the command line means all of them. */
export const growthParts = [
  "carriers",
  "latency",
  "payload",
  "concurrency",
  "connections",
  "services",
  "endurance",
  "open-streams",
] as const;

/** One part of the benchmark. */
export type Part = (typeof parts | typeof growthParts)[number];

/** One thing that was measured, of each contender and in each round. */
export interface Measurement {
  readonly part: Part;
  /** The measured quantity, for people. */
  readonly title: string;
  readonly unit: "calls/s" | "messages/s" | "MB/s" | "ms" | "us" | "MiB" | "KiB";
  /** Size of the messages, in bytes. */
  readonly size?: number;
  /** Calls in flight at once. */
  readonly concurrency?: number;
  /** The curve that it is a point of. */
  readonly curve?: Curve;
  /** For each contender by name what each round has shown. */
  readonly rounds: Readonly<Record<string, readonly number[]>>;
  /** Contenders that can't do it, and why. */
  readonly failures?: Readonly<Record<string, string>>;
}

/** The growth of one thing, while all others stay as they are. */
export interface Curve {
  /** Name of the chart's file, without ending. */
  readonly file: string;
  /** The measured quantity, for people. */
  readonly title: string;
  /** That which grows, for people. */
  readonly along: string;
  /** How much of it there is here. */
  readonly at: number;
  /** True if that is a number of bytes. */
  readonly isBytes?: boolean;
}

/** The length of a measurement. */
export interface Effort {
  readonly rounds: number;
  /** Milliseconds that a contender works on one cell of a round; longer if that is less than one call. */
  readonly milliseconds: number;
  readonly sizes: readonly number[];
  readonly concurrencies: readonly number[];
}

/** All of it. */
export const fullEffort: Effort = {
  rounds: 5,
  milliseconds: 250,
  sizes: [16, 1024, 64 * 1024, 1024 * 1024],
  concurrencies: [1, 8, 64, 512],
};

/** Enough to see that it works, and roughly where things stand. */
export const quickEffort: Effort = { rounds: 3, milliseconds: 150, sizes: [1024, 64 * 1024], concurrencies: [1, 64] };

/** Collects what rounds show of each of these. */
export function createRounds(names: readonly string[]) {
  const rounds: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  return {
    rounds,
    add(name: string, value: number) {
      rounds[name] = [...(rounds[name] ?? []), value];
    },
  };
}

/** The order of a round: each begins with another one, so that no contender always follows the same. */
export function inTurn<T>(all: readonly T[], round: number): readonly T[] {
  const first = round % Math.max(all.length, 1);
  return [...all.slice(first), ...all.slice(0, first)];
}

/** A size as people write it. */
export function formatSize(bytes: number): string {
  if (bytes >= 1024 * 1024) {
    return `${bytes / (1024 * 1024)} MiB`;
  }
  return bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`;
}

/** A number as people write it. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}
