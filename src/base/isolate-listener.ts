import { callSafely } from "./call-safely.ts";
import type { Log } from "./log.ts";

/**
 * Isolates the source of an event from a listener that fails: what the listener throws, or what its promise rejects
 * with, does not reach the source. The first failure is logged.
 * @param name The listener's option, for the message.
 * @param log Gets that line.
 */
export function isolateListener<T>(name: string, listener: (event: T) => unknown, log: Log): (event: T) => void {
  let told = false;
  const tell = (error: unknown) => {
    if (!told) {
      told = true;
      log.line(
        "ERROR",
        `${name} threw; it is called again all the same, and further errors of it are not logged`,
        error,
      );
    }
  };
  return (event) => callSafely(() => listener(event), tell);
}
