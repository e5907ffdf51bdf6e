import { methodKinds } from "./capability.ts";
import { formatRejections } from "./format-rejections.ts";
import type { Routes } from "./negotiate.ts";

/**
 * Says in words which route each kind of method takes, and why others were skipped: one line for each kind, then one for
 * each reason.
 */
export function explainRoutes(routes: Routes): string {
  const lines = methodKinds.map((kind) => {
    const [first, ...fallbacks] = routes[kind].routes.map((route) => route.name);
    const then = fallbacks.length === 0 ? "" : `, then ${fallbacks.join(", ")}`;
    return `${kind.replace("_", "-")}: ${first ?? "no route"}${then}`;
  });
  const reasons = new Map<string, string[]>();
  for (const kind of methodKinds) {
    for (const text of formatRejections(routes[kind].rejected)) {
      reasons.set(text, [...(reasons.get(text) ?? []), kind.replace("_", "-")]);
    }
  }
  for (const [text, kinds] of reasons) {
    lines.push(`skipped${kinds.length === methodKinds.length ? "" : ` for ${kinds.join(", ")}`}: ${text}`);
  }
  return lines.join("\n");
}
