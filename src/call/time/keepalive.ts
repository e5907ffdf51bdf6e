import { setBackgroundTimer } from "../../base/async/within.ts";
import { checkOptions } from "../../plugin/check-options.ts";
import { limitError } from "./errors.ts";
import { createIdleTimer } from "./idle-timer.ts";

/** Pings that find out that a connection's peer has vanished. */
export interface Keepalive {
  /**
   * Silence after which the peer is pinged, in milliseconds; `Infinity` for never. Over HTTP/2 it is pinged so often, silent or
   * not. Default: 30,000.
   */
  readonly pingAfterMs: number;
  /** Milliseconds that the peer may take to respond to a ping. Default: 10,000. */
  readonly pingTimeoutMs: number;
}

/** Over what can lose a peer without a word. */
export const defaultKeepalive: Keepalive = { pingAfterMs: 30_000, pingTimeoutMs: 10_000 };

/**
 * Over a Unix socket or a port, which tells when a peer has ended. One that only does not respond may stand at a breakpoint.
 */
export const localKeepalive: Keepalive = { ...defaultKeepalive, pingAfterMs: Number.POSITIVE_INFINITY };

/**
 * Between peers that are both Plugboard's. A port of the loopback interface tells an end as a Unix socket does, but what
 * listens there is often a tunnel, such as that of ssh, or a proxy: it is pinged as any other.
 */
export function keepaliveOn(carrier: string): Keepalive {
  return carrier === "unix" || carrier === "message-port" ? localKeepalive : defaultKeepalive;
}

/**
 * With servers of HTTP/2 that others made. grpc-go and gRPC core end connections on which pings come in less than five minutes,
 * or while there is no call; the second more is for clocks that differ.
 */
export const foreignKeepalive: Keepalive = { ...defaultKeepalive, pingAfterMs: 5 * 60_000 + 1_000 };

/**
 * The keepalive that holds: what is given in place of the defaults.
 * @throws PlugboardError PB-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function withKeepalive(own: Partial<Keepalive> = {}, defaults = defaultKeepalive): Keepalive {
  checkOptions<Keepalive>("keepalive", own, defaultKeepalive);
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && !(value >= 1)) {
      throw limitError("PB-LIMIT-INVALID", `keepalive.${name} is ${value}`);
    }
  }
  const { pingAfterMs = defaults.pingAfterMs, pingTimeoutMs = defaults.pingTimeoutMs } = own;
  return { pingAfterMs, pingTimeoutMs };
}

/** Most milliseconds that a peer may take until its first word. */
const maxOpeningMs = 20_000;

/** Milliseconds that a peer may take until its first word: no longer than if it fell silent later. */
export function openingTimeoutMs({ pingAfterMs, pingTimeoutMs }: Keepalive): number {
  return Math.min(maxOpeningMs, pingAfterMs + pingTimeoutMs);
}

/** Watches over one connection. */
export interface Liveness {
  /** The peer was heard: whatever it sent. Cheap enough for each chunk. */
  heard(): void;
  /** Stops watching. */
  stop(): void;
}

/**
 * Pings the peer after a silence, and tells if it does not respond in time. Its timers keep no process running.
 * @param ping Sends a ping, whose response is reported by `heard`. Must not throw.
 * @param lost Called once, after which nothing is watched any more.
 */
export function watchLiveness({ pingAfterMs, pingTimeoutMs }: Keepalive, ping: () => void, lost: () => void): Liveness {
  let silence = pingAfterMs < Number.POSITIVE_INFINITY ? watchSilence() : undefined;
  /** Set while a ping has no response yet. */
  let response: ReturnType<typeof setTimeout> | undefined;

  function watchSilence() {
    return createIdleTimer(pingAfterMs, onSilence, setBackgroundTimer);
  }

  function onSilence() {
    response = setBackgroundTimer(() => {
      stop();
      lost();
    }, pingTimeoutMs);
    ping();
  }

  function stop() {
    silence?.stop();
    silence = undefined;
    clearTimeout(response);
    response = undefined;
  }

  return {
    heard() {
      if (response === undefined) {
        silence?.moved();
      } else {
        clearTimeout(response);
        response = undefined;
        silence = watchSilence();
      }
    },
    stop,
  };
}
