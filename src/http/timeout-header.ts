import { readGrpcTimeout } from "./wire/timeout.ts";

const field = "Grpc-Timeout";

/**
 * Makes a gRPC call's timeout at most so long, or gives it one, in its header. A value that can't be read is left as it is, for
 * its protocol to refuse.
 * @param maxMs In milliseconds.
 * @returns The timeout then, in milliseconds; `undefined` if the header can't be read.
 */
export function shortenTimeout(header: Headers, maxMs: number): number | undefined {
  const value = header.get(field);
  const given = value === null ? Number.POSITIVE_INFINITY : readGrpcTimeout(value);
  if (given !== undefined && given > maxMs) {
    // At most eight digits.
    header.set(field, maxMs <= 99_999_999 ? `${maxMs}m` : `${Math.floor(maxMs / 1000)}S`);
    return maxMs;
  }
  return given;
}

/** True if a request says how long its call may take. */
export function hasTimeout(header: Headers): boolean {
  return header.has(field);
}
