import { Code } from "@connectrpc/connect";
import type { ErrorCode } from "plugboard";
import { http2Endings } from "./suite/http2-endings.ts";

/** The ends of a plugin, or of the connection to it, while calls are under way. */
export type How = "terminated" | "killed" | "frozen" | "silenced" | "ended" | "reset" | "closed";

/** An end that calls come to which are not theirs, and what their callers are told, over every route. */
export interface Ending {
  /** The fault, as part of a sentence. */
  readonly fault: string;
  readonly code: Code;
  readonly how: How;
  /** Only over routes that have pings, or have none. Default: over both. */
  readonly pings?: boolean;
  /** Those that the error can have. Default: it may be the plugin's own word. */
  readonly errorCodes?: readonly ErrorCode[];
  /** The code of the next call over the same connection. Default: it works. */
  readonly next?: Code;
}

const lost = ["PB-CONNECTION-LOST", "PB-PLUGIN-EXITED"] as const;

/** Those that can be brought about over every route, or over all that have pings. */
export const endingsOfAll: readonly Ending[] = [
  {
    fault: "the plugin is told to stop (by SIGTERM), and the call lasts longer than the grace period",
    code: Code.Unavailable,
    how: "terminated",
    next: Code.Unavailable,
  },
  {
    fault: "the plugin's process or thread is killed",
    code: Code.Unavailable,
    how: "killed",
    errorCodes: lost,
    next: Code.Unavailable,
  },
  {
    fault: "the connection is ended by the peer, or by what stands between",
    code: Code.Unavailable,
    how: "ended",
    errorCodes: lost,
  },
  { fault: "the connection is reset", code: Code.Unavailable, how: "reset", errorCodes: lost },
  {
    fault: "the peer vanishes without a word, and pings tell",
    code: Code.Unavailable,
    how: "silenced",
    pings: true,
    errorCodes: lost,
  },
  {
    fault: "the plugin's process stands still (SIGSTOP), and pings tell",
    code: Code.Unavailable,
    how: "frozen",
    pings: true,
    errorCodes: lost,
  },
  {
    fault: "the peer vanishes without a word over HTTP/1.1, which has no pings: at the call's deadline",
    code: Code.DeadlineExceeded,
    how: "silenced",
    pings: false,
  },
  {
    fault: "the plugin's process stands still, over HTTP/1.1: at the call's deadline",
    code: Code.DeadlineExceeded,
    how: "frozen",
    pings: false,
  },
  {
    fault: "the caller's own program closes the connection, or the host that has loaded the plugin",
    code: Code.Canceled,
    how: "closed",
    errorCodes: ["PB-CONNECTION-CLOSED"],
    next: Code.Canceled,
  },
];

/** All of them, and what those who call should do about them. */
export const endings = {
  title: "The connection and the process",
  advice:
    "`unavailable`: call again, if it does no harm that the first call may have been carried out; the connection is opened anew by itself, and the host loads " +
    "the plugin again when it is told to. With the error code `PB-CALL-REFUSED` or `PB-DIAL-FAILED` nothing was carried out. A call that a server of HTTP/2 has not " +
    "seen, or has refused, is made again on a new connection once; what is told here is that the second attempt went the same way. When a plugin is told to " +
    "stop, calls that end within its grace period end well. Pings are those of `keepalive`, which on Unix sockets has none unless it is given. `deadline_exceeded`: give calls over HTTP/1.1 a deadline. `internal`, `resource_exhausted`, " +
    "`permission_denied`: the server's own words for it, as gRPC translates them.",
  faults: [...endingsOfAll, ...http2Endings],
} as const;
