import type { Measurement } from "./measurement.ts";
import { formatCount, formatSize, fullEffort } from "./measurement.ts";
import type { Spread } from "./statistics.ts";
import { ratio } from "./statistics.ts";

/** Our goal for one contender, as a ratio to another. */
interface Target {
  readonly title: string;
  readonly ours: string;
  readonly theirs: string;
  /** Which measurement. */
  readonly of: (measurement: Measurement) => boolean;
  /** Which measurement of `theirs`, if it is another. */
  readonly over?: (measurement: Measurement) => boolean;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** The reason for this number and no other. */
  readonly why: string;
}

/** A target, and whether it was reached. */
export interface Outcome {
  readonly title: string;
  readonly wanted: string;
  readonly why: string;
  readonly ratio: Spread;
  readonly met: boolean;
}

const small = 1024;

const callsAgainst = (
  theirs: string,
  title: string,
  goals: readonly {
    readonly size: number;
    readonly concurrency: number;
    readonly atLeast: number;
    readonly why: string;
  }[],
  ours: "ttrpc" | "grpc" | "connect" = "ttrpc",
): readonly Target[] =>
  goals.map(({ size, concurrency, ...goal }) => ({
    title: `calls/s${ours === "ttrpc" ? "" : ` over ${ours}`} against ${title}, ${formatSize(size)}, ${concurrency} at once`,
    ours,
    theirs,
    of: (each) => each.part === "unary" && each.size === size && each.concurrency === concurrency,
    ...goal,
  }));

const ahead = "reached, and not to be lost: ahead of every peer";
const sameStreams =
  "on the same streams of Node's HTTP/2; used alone, without protobuf, they came to twice as many calls";
const sameHandlers = "the same protocol on the same HTTP/2";
const wakeUps = "mostly two processes that wake each other up; a prototype reached 0.55 to 0.67";
const noCalls = "0.35 is the ceiling without signal, timeout and header; raw has no objects for a call at all";
const capnwebBest = "the row in which Cap'n Web comes nearest: it sends all calls of a turn in one write, too";

/** What ours costs where there is much of a thing, against where there is little. */
const flat = (
  title: string,
  file: string,
  [little, much]: readonly [number, number],
  goal: Pick<Target, "atLeast" | "atMost" | "why">,
): Target => ({
  title: `${title}: ${formatCount(much)} against ${formatCount(little)}`,
  ours: "ttrpc",
  theirs: "ttrpc",
  of: ({ curve }) => curve?.file === file && curve.at === much,
  over: ({ curve }) => curve?.file === file && curve.at === little,
  ...goal,
});

const perCall = "what a call costs does not depend on it";

const flatTargets: readonly Target[] = [
  flat("calls/s by how many are in flight", "growth-concurrency-calls", [64, 4096], { atLeast: 0.8, why: perCall }),
  flat("bytes/s by the size of messages", "growth-payload-bytes", [1_048_576, 16_777_216], {
    atLeast: 0.8,
    why: "above 1 MiB only the bytes count",
  }),
  flat("calls/s over connections", "growth-connections-calls", [1000, 10_000], {
    atLeast: 0.8,
    why: "with as many connections as calls in flight, or more, no two calls share a write",
  }),
  flat("calls/s beside open streams", "growth-streams-calls", [1, 10_000], { atLeast: 0.8, why: perCall }),
  flat("calls/s to one of many services", "growth-services-calls", [1, 1000], { atLeast: 0.8, why: perCall }),
  ...(["client", "server"] as const).flatMap((end) => [
    flat(`${end}'s memory for a connection`, `growth-connections-${end}`, [1000, 10_000], {
      atMost: 1.2,
      why: perCall,
    }),
    flat(`${end}'s memory for an open stream`, `growth-streams-${end}`, [1000, 10_000], { atMost: 1.2, why: perCall }),
    flat(`${end}'s memory by calls made`, `growth-calls-${end}`, [100_000, 1_000_000], {
      atMost: 1.05,
      why: "nothing of a call stays when it has ended",
    }),
  ]),
];

const targets: readonly Target[] = [
  ...callsAgainst("grpc-js", "@grpc/grpc-js", [
    { size: small, concurrency: 1, atLeast: 4, why: ahead },
    { size: small, concurrency: 64, atLeast: 6, why: ahead },
  ]),
  ...callsAgainst(
    "grpc-js",
    "@grpc/grpc-js",
    [1, 64].map((concurrency) => ({ size: small, concurrency, atLeast: 1, why: sameStreams })),
    "grpc",
  ),
  ...callsAgainst(
    "connect-node",
    "connect-node over HTTP/2",
    [1, 512].map((concurrency) => ({ size: small, concurrency, atLeast: 1, why: sameHandlers })),
    "connect",
  ),
  ...callsAgainst("grpc-go", "grpc-go", [
    { size: small, concurrency: 1, atLeast: 1, why: ahead },
    { size: small, concurrency: 64, atLeast: 1, why: ahead },
  ]),
  ...callsAgainst("raw", "the raw framed echo", [
    { size: small, concurrency: 1, atLeast: 0.55, why: wakeUps },
    { size: small, concurrency: 64, atLeast: 0.25, why: noCalls },
  ]),
  ...callsAgainst("capnweb", "Cap'n Web", [
    { size: 16, concurrency: 64, atLeast: 1.2, why: capnwebBest },
    { size: 16, concurrency: 512, atLeast: 1.2, why: capnwebBest },
  ]),
  ...[
    { size: 16, atLeast: 20, why: "nothing is serialised, and a call makes few objects" },
    {
      size: small,
      atLeast: 12,
      why: "each side gets a copy of the bytes of its own, so that neither sees the other's changes",
    },
  ].flatMap(({ size, ...goal }) =>
    fullEffort.concurrencies.map((concurrency) => ({
      title: `calls/s in the same process against createRouterTransport, ${formatSize(size)}, ${concurrency} at once`,
      ours: "memory",
      theirs: "createRouterTransport",
      of: (each: Measurement) => each.part === "memory" && each.size === size && each.concurrency === concurrency,
      ...goal,
    })),
  ),
  ...[16, small].map((size) => ({
    title: `messages/s of a stream against grpc-go, ${formatSize(size)}`,
    ours: "ttrpc",
    theirs: "grpc-go",
    of: (each: Measurement) => each.part === "streaming" && each.size === size,
    atLeast: 0.6,
    why: "a prototype of one copy for a run of frames and no promise where nothing waits reached 0.59 to 0.63",
  })),
  {
    title: "bytes/s of a stream of 64 KiB messages against a bare socket",
    ours: "ttrpc",
    theirs: "net",
    of: (each) => each.part === "streaming" && each.size === 64 * 1024,
    atLeast: 0.4,
    why: "a message belongs to who receives it and needs memory of its own; the bare socket reads into one buffer",
  },
  ...[
    {
      size: 4,
      atLeast: 0.65,
      why: "all is overhead; a prototype with limits, deadline, security headers and access log reached 0.66 to 0.72",
    },
    { size: small, atLeast: 0.85, why: "the rendering, which both do, takes most of a call; a prototype reached 0.91" },
  ].map(({ size, ...goal }) => ({
    title: `calls/s of a Worker in JSON against a bare Hono route, ${formatSize(size)} of Markdown, 16 at once`,
    ours: "edge(plugin)",
    theirs: "bare Hono",
    of: (each: Measurement) => each.part === "edge" && each.size === size && each.concurrency === 16,
    ...goal,
  })),
  ...[
    {
      name: "ttrpc",
      title: "packages external",
      ms: 4,
      MiB: 1.6,
      why: "the modules of protobuf that generated code needs",
    },
    {
      name: "ttrpc, bundled",
      title: "bundled",
      ms: 2.5,
      MiB: 1.35,
      why: "descriptors, and what Node compiles of its own net",
    },
  ].flatMap(({ name, title, ms, MiB, why }) =>
    [
      { unit: "ms", what: "time from spawn to the first response", atMost: ms },
      { unit: "MiB", what: "resident memory", atMost: MiB },
    ].map(({ unit, what, atMost }) => ({
      title: `${what} against node -e 0, ${title}`,
      ours: name,
      theirs: "node -e 0",
      of: (each: Measurement) => each.part === "startup" && each.unit === unit,
      atMost,
      why,
    })),
  ),
];

/** The outcomes of the targets that were measured. */
export function outcomes(measurements: readonly Measurement[]): readonly Outcome[] {
  return [...targets, ...flatTargets].flatMap(
    ({ title, why, ours, theirs, of, over = of, atLeast = 0, atMost = Number.POSITIVE_INFINITY }) => {
      const mine = measurements.find(of)?.rounds[ours];
      const other = measurements.find(over)?.rounds[theirs];
      if (mine === undefined || other === undefined) {
        return [];
      }
      const found = ratio(mine, other);
      return [
        {
          title,
          wanted: atLeast > 0 ? `at least ${atLeast}` : `at most ${atMost}`,
          why,
          ratio: found,
          met: found.median >= atLeast && found.median <= atMost,
        },
      ];
    },
  );
}
