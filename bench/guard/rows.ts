import type { Driver } from "../contender.ts";

/** A ratio of ours to a peer over a connection, both measured in turns. */
export interface CallRow {
  readonly name: string;
  readonly ours: string;
  readonly theirs: string;
  readonly part: "unary" | "streaming";
  run(driver: Driver, milliseconds: number): ReturnType<Driver["unary"]>;
}

/**
 * One row for each path that calls take, against the peer that varies least: mostly the bare frames and Node's own
 * libraries, in the same client process, so that what slows down one slows down the other.
 */
export const callRows: readonly CallRow[] = [
  unary("ttrpc", "raw", "16 B", 16, 64),
  unary("ttrpc", "raw", "1 KiB", 1024, 1),
  unary("ttrpc", "raw", "1 KiB", 1024, 64),
  unary("ttrpc", "raw", "64 KiB", 64 * 1024, 8),
  unary("grpc", "grpc-js", "1 KiB", 1024, 1),
  unary("grpc", "grpc-js", "1 KiB", 1024, 64),
  unary("connect", "connect-node", "1 KiB", 1024, 1),
  unary("connect", "connect-node", "1 KiB", 1024, 64),
  stream("ttrpc", "raw", "16 B", 16, 4096),
  stream("ttrpc", "raw", "1 KiB", 1024, 2048),
  stream("ttrpc", "raw", "64 KiB", 64 * 1024, 64),
];

function unary(ours: string, theirs: string, title: string, size: number, concurrency: number): CallRow {
  return {
    name: `unary, ${title}, ${concurrency} at once, ${ours} of ${theirs}`,
    ours,
    theirs,
    part: "unary",
    run: (driver, milliseconds) => driver.unary(size, concurrency, milliseconds),
  };
}

function stream(ours: string, theirs: string, title: string, size: number, count: number): CallRow {
  return {
    name: `stream, ${title}, ${ours} of ${theirs}`,
    ours,
    theirs,
    part: "streaming",
    run: (driver, milliseconds) => driver.stream(size, count, milliseconds),
  };
}
