import type { ErrorCode, PlugboardError } from "../../plugin/errors.ts";
import { log } from "../../plugin/log.ts";

/** How long a reason is not told again, in milliseconds: anybody can be refused as often as they like. */
const quietMs = 10_000;

/** Logs connections that were refused for TLS; of each kind one in a while. */
export function createRefusalLog(): (error: PlugboardError) => void {
  const told = new Map<ErrorCode, number>();
  return ({ errorCode, rawMessage }) => {
    const now = performance.now();
    if (now - (told.get(errorCode) ?? Number.NEGATIVE_INFINITY) >= quietMs) {
      told.set(errorCode, now);
      log("WARNING", `a connection was refused: ${rawMessage}`);
    }
  };
}
