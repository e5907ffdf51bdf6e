import { logEntry } from "../plugin/log.ts";
import type { DenialReason } from "./denial.ts";

/** A call, or a WebSocket, that was denied. Nothing in it is secret. */
export interface DenialRecord {
  /** In UTC, as ISO 8601 has it. */
  readonly time: string;
  /** As the answer has it in `X-Request-Id`. */
  readonly requestId: string;
  /** Such as "notes.v1.NotesService/Write"; "websocket" for one that was not opened. */
  readonly method: string;
  /** Address of whoever has called, if that is known. */
  readonly peer?: string;
  readonly reason: DenialReason;
  /** Who has called, if that is known. */
  readonly subject?: string;
}

/** Where records of denials go. */
export interface AuditLogOptions {
  /** Takes a record. Default: writes it as a structured line with the message "denied" to the log of the process. */
  readonly write?: (record: DenialRecord) => void;
}

/** Makes a log of who was denied what. */
export function createAuditLog({ write }: AuditLogOptions = {}): (denial: Omit<DenialRecord, "time">) => void {
  return (denial) => {
    if (write === undefined) {
      logEntry("WARNING", "denied", denial);
    } else {
      write({ time: new Date().toISOString(), ...denial });
    }
  };
}
