import type { Measurement } from "./measurement.ts";
import { formatSize } from "./measurement.ts";
import type { Spread } from "./statistics.ts";
import { ratio } from "./statistics.ts";

/** Our goal for one contender, as a ratio to another. */
interface Target {
  readonly title: string;
  readonly ours: string;
  readonly theirs: string;
  /** Which measurement. */
  readonly of: (measurement: Measurement) => boolean;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A target, and whether it was reached. */
export interface Outcome {
  readonly title: string;
  readonly wanted: string;
  readonly ratio: Spread;
  readonly met: boolean;
}

const small = 1024;

const unary = (concurrency: number) => (each: Measurement) =>
  each.part === "unary" && each.size === small && each.concurrency === concurrency;

const against = (theirs: string, title: string, one: number, many: number): readonly Target[] =>
  [
    { concurrency: 1, atLeast: one },
    { concurrency: 64, atLeast: many },
  ].map(({ concurrency, atLeast }) => ({
    title: `calls/s against ${title}, 1 KiB, ${concurrency} at once`,
    ours: "ttrpc",
    theirs,
    of: unary(concurrency),
    atLeast,
  }));

const targets: readonly Target[] = [
  ...against("grpc-js", "@grpc/grpc-js", 4, 6),
  ...against("connect-node", "Connect over HTTP/2", 8, 12),
  ...against("raw", "the raw framed echo", 0.6, 0.5),
  ...against("grpc-go", "grpc-go", 1, 1),
  ...[16, small].map((size) => ({
    title: `calls/s in the same process against createRouterTransport, ${formatSize(size)}, 1 at once`,
    ours: "memory",
    theirs: "createRouterTransport",
    of: (each: Measurement) => each.part === "memory" && each.size === size && each.concurrency === 1,
    atLeast: 20,
  })),
  {
    title: "bytes/s of a stream of 64 KiB messages against a bare socket",
    ours: "ttrpc",
    theirs: "net",
    of: (each) => each.part === "streaming" && each.size === 64 * 1024,
    atLeast: 0.5,
  },
  ...[4, small].map((size) => ({
    title: `calls/s of a Worker in JSON against a bare Hono route, ${formatSize(size)} of Markdown, 16 at once`,
    ours: "edge(plugin)",
    theirs: "bare Hono",
    of: (each: Measurement) => each.part === "edge" && each.size === size && each.concurrency === 16,
    atLeast: 0.6,
  })),
  {
    title: "time from spawn to the first answer against node -e 0",
    ours: "ttrpc",
    theirs: "node -e 0",
    of: (each) => each.part === "startup" && each.unit === "ms",
    atMost: 4,
  },
  {
    title: "resident memory against node -e 0",
    ours: "ttrpc",
    theirs: "node -e 0",
    of: (each) => each.part === "startup" && each.unit === "MiB",
    atMost: 1.6,
  },
];

/** The outcomes of the targets that were measured. */
export function outcomes(measurements: readonly Measurement[]): readonly Outcome[] {
  return targets.flatMap(({ title, ours, theirs, of, atLeast = 0, atMost = Number.POSITIVE_INFINITY }) => {
    const rounds = measurements.find(of)?.rounds;
    const [mine, other] = [rounds?.[ours], rounds?.[theirs]];
    if (mine === undefined || other === undefined) {
      return [];
    }
    const found = ratio(mine, other);
    return [
      {
        title,
        wanted: atLeast > 0 ? `at least ${atLeast}` : `at most ${atMost}`,
        ratio: found,
        met: found.median >= atLeast && found.median <= atMost,
      },
    ];
  });
}
