import { Code, ConnectError } from "@connectrpc/connect";

/** Milliseconds in the units of `Grpc-Timeout`, see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. */
const grpcUnits = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 } as const;

/** Reads a timeout in milliseconds; `undefined` if it can't be read. */
export type ReadTimeout = (value: string) => number | undefined;

/** Reads `Connect-Timeout-Ms`, see https://connectrpc.com/docs/protocol. */
export function readConnectTimeout(value: string): number | undefined {
  return /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

/** Reads `Grpc-Timeout`. */
export function readGrpcTimeout(value: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  return digits === undefined ? undefined : Number(digits) * grpcUnits[unit as keyof typeof grpcUnits];
}

/** The longest that a call may take, in milliseconds. */
export interface TimeoutLimits {
  /** A caller that asks for more is given so many. */
  readonly maxDeadlineMs: number | undefined;
  /** A caller that asks for more is refused. */
  readonly maxTimeoutMs: number | undefined;
}

/** The time that a call has. */
export interface CallTimeout {
  /** In milliseconds; `undefined` without a deadline. */
  readonly timeoutMs: number | undefined;
  /** The refusal of a call that asks for it in a wrong way. */
  readonly error?: ConnectError;
}

/** Decides how long a call may take, by what its request asks for. */
export function limitTimeout(
  asked: string | null,
  read: ReadTimeout,
  { maxDeadlineMs, maxTimeoutMs }: TimeoutLimits,
): CallTimeout {
  if (asked === null) {
    return { timeoutMs: maxDeadlineMs };
  }
  const given = read(asked);
  if (given === undefined) {
    const error = new ConnectError(`protocol error: invalid timeout: ${asked}`, Code.InvalidArgument);
    return { timeoutMs: maxDeadlineMs, error };
  }
  const timeoutMs = maxDeadlineMs === undefined ? given : Math.min(given, maxDeadlineMs);
  if (maxTimeoutMs !== undefined && timeoutMs > maxTimeoutMs) {
    const error = new ConnectError(`the timeout is longer than ${maxTimeoutMs} ms`, Code.InvalidArgument);
    return { timeoutMs, error };
  }
  return { timeoutMs };
}
