import { httpError } from "./errors.ts";

/**
 * Checks a list of origins whose pages may call: one with a path or a slash at its end would never be met.
 *
 * Apart from cors.ts, whose headers would otherwise be in the bundle of all that serve a plugin on a port.
 * @throws PlugboardError PB-ORIGIN-INVALID
 */
export function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins) {
    if (origin !== "*" && !(URL.canParse(origin) && new URL(origin).origin === origin)) {
      throw httpError("PB-ORIGIN-INVALID", `"${origin}" is not an origin`);
    }
  }
}
