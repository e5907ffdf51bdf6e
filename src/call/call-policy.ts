import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import type { Log } from "../base/log.ts";
import type { LimitsSchema } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { CallObserver } from "./call-observer.ts";
import type { Peer } from "./peer.ts";
import type { RequestGate } from "./request-gate.ts";

/** Limits on a caller's calls. A limit that is left out is no limit. */
export interface CallLimits {
  /** Longest message of a caller, in bytes, as it is when it was decompressed. */
  readonly maxMessageBytes: number;
  /** Calls that one ttrpc connection may have in flight; cancelled calls count until their handlers end. */
  readonly maxConcurrentStreams: number;
  /**
   * Longest body of an HTTP request that carries one message, in bytes as they come in. A stream of messages may be longer:
   * each message is limited, and its time.
   */
  readonly maxBodyBytes?: number | undefined;
  /** All header fields of a call, names and values, and its URL together, in bytes. */
  readonly maxHeaderBytes?: number | undefined;
  /** Longest time that a call may take, in milliseconds; a caller may ask for less. */
  readonly maxDeadlineMs?: number | undefined;
  /**
   * Milliseconds that a stream may go without a message in either direction, and a request's body without further
   * bytes.
   */
  readonly idleTimeoutMs?: number | undefined;
}

/** A request that is to become a WebSocket. */
interface UpgradeRequest {
  readonly headers: Headers;
  /** The peer that sent it, with the authorization of the calls to come. */
  readonly peer: Peer;
  readonly requestId: string;
  /** Aborted when the caller no longer waits for the response. */
  readonly signal: AbortSignal;
}

/** The limits, gates and observer of every call, whatever its protocol. */
export interface CallPolicy {
  readonly limits: CallLimits;
  /** Where it is told what went wrong. */
  readonly log: Log;
  /** Decides whether a call may go on before any of its messages is read. */
  readonly gate?: RequestGate;
  /** Decides whether a request may become a WebSocket; gives the reason if not. Each of its calls passes the gate, too. */
  readonly admit?: (request: UpgradeRequest) => Promise<ConnectError | undefined>;
  /** Observes every call. */
  readonly observer?: CallObserver;
  /** Tell callers what goes wrong in handlers. For development alone: it may be anything. Default: false. */
  readonly revealErrors?: boolean;
}

const mebibyte = 1024 * 1024;

/** For callers who are trusted: a plugin process's own host, and who may open its socket. */
export const trustedLimits: CallLimits = { maxMessageBytes: 4 * mebibyte, maxConcurrentStreams: 1024 };

/** For callers from anywhere. */
export const publicLimits: Required<CallLimits> = {
  maxMessageBytes: 4 * mebibyte,
  maxConcurrentStreams: 100,
  maxBodyBytes: mebibyte,
  maxHeaderBytes: 16 * 1024,
  maxDeadlineMs: 120_000,
  idleTimeoutMs: 60_000,
};

/** The limits as a manifest tells them. */
export function announcedLimits(limits: CallLimits): MessageInitShape<typeof LimitsSchema> {
  const { maxMessageBytes, maxConcurrentStreams, maxDeadlineMs } = limits;
  return {
    maxMessageBytes: BigInt(maxMessageBytes),
    maxConcurrentStreams,
    ...(maxDeadlineMs !== undefined && { maxDeadline: durationFromMs(maxDeadlineMs) }),
  };
}
