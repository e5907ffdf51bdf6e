/** The runtime of this code, as far as it matters for what a carrier can do. */
export type Runtime = "node" | "workerd" | "browser";

/** Tells where this code runs. An unknown runtime is taken for a browser, which can do least. */
export function detectRuntime(): Runtime {
  const scope = globalThis as { navigator?: { userAgent?: string }; process?: { versions?: { node?: string } } };
  if (scope.navigator?.userAgent === "Cloudflare-Workers") {
    return "workerd";
  }
  return scope.process?.versions?.node === undefined ? "browser" : "node";
}
