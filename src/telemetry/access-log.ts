import { callSafely } from "../base/call-safely.ts";
import { formatLogEntry } from "../base/log.ts";
import type { CallObserver } from "../call/call-observer.ts";
import { logKey } from "../call/call-observer.ts";
import { codeName } from "../call/errors/code-name.ts";
import { peerKey } from "../call/peer.ts";
import { requestIdOf } from "../call/request-id.ts";
import { traceIdOf } from "../call/trace-context.ts";
import { checkOptions } from "../plugin/check-options.ts";

/** Options for the access log. */
export interface AccessLogOptions {
  /**
   * Writes a line, which has no end yet. It is not awaited, and if it fails, that goes to the log. Default: to the log
   * of the plugin, see docs/observability.md.
   */
  readonly write?: (line: string) => unknown;
}

/**
 * Writes a line for each call when it has ended: one object of JSON with `time`, `level`, `message` ("call"), `requestId`,
 * `traceId` (if it is part of a trace), `method`, `protocol`, `peer` (its address, if there is one), `code` ("ok", or what
 * the caller was told), `durationMs`, and, but for calls in the same process, `requestBytes` and `responseBytes`.
 */
export function accessLog(options: AccessLogOptions = {}): CallObserver {
  checkOptions("accessLog()", options, { write: true });
  const { write } = options;
  return {
    begin(context) {
      const started = performance.now();
      return {
        end({ error, requestBytes, responseBytes }) {
          const { method, protocolName, values } = context;
          const fields = {
            requestId: requestIdOf(context),
            traceId: traceIdOf(context),
            method: `${method.parent.typeName}/${method.name}`,
            protocol: protocolName,
            peer: values.get(peerKey).address,
            code: error === undefined ? "ok" : codeName(error.code),
            durationMs: Math.round((performance.now() - started) * 1000) / 1000,
            requestBytes,
            responseBytes,
          };
          const log = values.get(logKey);
          if (write === undefined) {
            log.entry("INFO", "call", fields);
            return;
          }
          const line = formatLogEntry({ level: "INFO", message: "call", time: new Date(), fields });
          callSafely(
            () => write(line),
            (error) => log.line("ERROR", "a line of the access log could not be written:", error),
          );
        },
      };
    },
  };
}
