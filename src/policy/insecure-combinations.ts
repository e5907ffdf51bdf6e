import { isLoopback } from "../base/loopback.ts";

/** The options that can open a server further than was meant. */
export interface OpenOptions {
  readonly origins?: readonly string[];
  readonly auth?: unknown;
  readonly revealErrors?: boolean;
  readonly hosts?: readonly string[];
  /** True if it listens on the network by itself. */
  readonly onNetwork?: boolean;
}

/** Warnings, a sentence each, about options that may open a server further than was meant. */
export function insecureCombinations({
  origins = [],
  auth,
  revealErrors,
  hosts,
  onNetwork,
}: OpenOptions): readonly string[] {
  const warnings: string[] = [];
  if (revealErrors) {
    warnings.push(
      auth === undefined
        ? "revealErrors is on without auth: every caller reads the errors of handlers"
        : "revealErrors is on: callers read the errors of handlers",
    );
  }
  if (onNetwork && hosts === undefined) {
    warnings.push(
      "it listens on the network without `hosts`: any website can point a name of its own here, and call from its visitors' browsers",
    );
  }
  if (origins.includes("*")) {
    warnings.push(
      'origins has "*": every page on the web can call from the browsers of those who can reach this server',
    );
  }
  for (const origin of origins) {
    if (origin.startsWith("http:") && !isLoopback(new URL(origin).hostname)) {
      warnings.push(`origins has ${origin}: others on the network can change pages that come without TLS`);
    }
  }
  return warnings;
}
