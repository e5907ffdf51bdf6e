import { callSafely } from "../../base/call-safely.ts";
import type { Log } from "../../base/log.ts";
import { createRareLog } from "../../base/log-rarely.ts";
import type { DenialReason } from "./denial.ts";

/** A call, or a WebSocket, that was denied. Nothing in it is secret. */
export interface DenialRecord {
  /** In UTC, as ISO 8601 has it. */
  readonly time: string;
  /** As the response has it in `X-Request-Id`. */
  readonly requestId: string;
  /** Such as "notes.v1.NotesService/Write"; "websocket" for one that was not opened. */
  readonly method: string;
  /** Address of the caller, if that is known. */
  readonly peer?: string;
  readonly reason: DenialReason;
  /** The caller's subject, if it is known. */
  readonly subject?: string;
}

/** Options for the record of denials. */
export interface AuditLogOptions {
  /**
   * Takes a record; its result is not awaited. If it fails, that goes to the log, and the call is refused all the same.
   * Default: writes it as a structured line with the message "denied" to the log of the plugin.
   */
  readonly write?: (record: DenialRecord) => unknown;
}

/** Makes a log of who was denied what. It never throws. */
export function createAuditLog(
  log: Log,
  { write }: AuditLogOptions = {},
): (denial: Omit<DenialRecord, "time">) => void {
  // A disk that is full is so for each record.
  const logRarely = createRareLog(log);
  const failed = (error: unknown) =>
    logRarely("write", "ERROR", "a denial could not be recorded, as audit.write failed:", error);
  return (denial) =>
    callSafely(() => {
      if (write === undefined) {
        return log.entry("WARNING", "denied", denial);
      }
      return write({ time: new Date().toISOString(), ...denial });
    }, failed);
}
