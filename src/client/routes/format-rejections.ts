import type { Rejection } from "./negotiate.ts";

/**
 * The routes that were skipped and why, a line for each reason at each place: a reason that several protocols share
 * there is said once, such as "connect, grpc-web at https://host: it refused the connection".
 */
export function formatRejections(rejected: readonly Rejection[]): readonly string[] {
  const protocolsOf = new Map<string, Set<string>>();
  for (const { endpoint, reason } of rejected) {
    const [, protocol, place = endpoint, version = ""] = /^(\S+) at (.*?)( \(HTTP\/[\d.]+\))?$/.exec(endpoint) ?? [];
    const line = `${place}: ${reason}`;
    const protocols = protocolsOf.get(line) ?? new Set();
    protocolsOf.set(line, protocol === undefined ? protocols : protocols.add(protocol + version));
  }
  return [...protocolsOf].map(([line, protocols]) =>
    protocols.size === 0 ? line : `${[...protocols].join(", ")} at ${line}`,
  );
}
