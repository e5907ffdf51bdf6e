/** Milliseconds in the units of `Grpc-Timeout`, see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. */
const grpcUnits = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 } as const;

/**
 * Makes a call's timeout at most so long, or gives it one, in the header of its protocol. A value that can't be read is
 * left as it is, for its protocol to refuse.
 * @param maxMs In milliseconds.
 * @returns The timeout then, in milliseconds; `undefined` if the header can't be read.
 */
export function shortenTimeout(header: Headers, maxMs: number): number | undefined {
  if (/^application\/grpc/i.test(header.get("Content-Type") ?? "")) {
    // At most eight digits.
    const longest = maxMs <= 99_999_999 ? `${maxMs}m` : `${Math.floor(maxMs / 1000)}S`;
    return shorten(header, "Grpc-Timeout", readGrpc, maxMs, longest);
  }
  return shorten(header, "Connect-Timeout-Ms", readConnect, maxMs, String(maxMs));
}

/** True if a request says how long its call may take. */
export function hasTimeout(header: Headers): boolean {
  return header.has("Grpc-Timeout") || header.has("Connect-Timeout-Ms");
}

function shorten(
  header: Headers,
  name: string,
  read: (value: string) => number | undefined,
  maxMs: number,
  longest: string,
): number | undefined {
  const value = header.get(name);
  const given = value === null ? Number.POSITIVE_INFINITY : read(value);
  if (given !== undefined && given > maxMs) {
    header.set(name, longest);
    return maxMs;
  }
  return given;
}

function readConnect(value: string): number | undefined {
  return /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

function readGrpc(value: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  return digits === undefined ? undefined : Number(digits) * grpcUnits[unit as keyof typeof grpcUnits];
}
