import { isPlugboardError } from "../base/errors.ts";
import { printedErrors } from "./printed-error.ts";

/** go-plugin's words without its cookie. */
const lacksCookie = /^ {2}\| This binary is a plugin/m;

/**
 * True if another attempt may succeed where a start has failed with this error. Nothing of the plugin was called by
 * then, so that each start may be repeated; for the most of them it would be in vain:
 *
 * - a command that can't be executed, or that prints something else than a handshake that fits, is what it is;
 * - a plugin of Plugboard that names its trouble by a code does so because of how it was called or configured, unless it
 *   was its own start hook that failed; a module that is missing or misspelt stays so;
 * - one made with go-plugin that did not get its cookie says so, and would say it again;
 * - one that has used up its time would use it up again, and the caller has waited long enough.
 *
 * What remains are processes that ended otherwise, and sockets that can't be reached.
 */
export function isTransient(error: unknown): boolean {
  return (
    isPlugboardError(error, "PB-HANDSHAKE-SOCKET") ||
    (isPlugboardError(error, "PB-HANDSHAKE-EXITED") && !isFinal(error.rawMessage))
  );
}

function isFinal(message: string): boolean {
  return lacksCookie.test(message) || printedErrors(message).some(({ code }) => code !== "PB-PLUGIN-START");
}
