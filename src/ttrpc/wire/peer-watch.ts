import type { Keepalive, Liveness } from "../../call/time/keepalive.ts";
import { watchLiveness } from "../../call/time/keepalive.ts";
import { frameFlag, frameType } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";
import { pingBytes } from "./ping.ts";

/** Watches over the peer of one connection. */
export interface PeerWatch {
  /** The peer has shown that it responds to pings. Does nothing the second time. */
  begin(): void;
  /** Bytes have come in, or what waited for the carrier has left. */
  heard(): void;
  /** The connection has ended. */
  end(): void;
}

/**
 * Bytes waiting for the carrier that excuse one missing reply: the ping waits behind them, and a link may be slow.
 */
const bytesPerExcuse = 1024 * 1024;

/** Breaks a connection off whose peer has vanished. Until `begin` nothing is sent: plain ttrpc knows no pings. */
export function createPeerWatch(link: () => FrameLink, keepalive: Keepalive | undefined): PeerWatch {
  let liveness: Liveness | undefined;
  let ended = false;
  /** Missing replies in a row that were excused by waiting bytes. */
  let excused = 0;

  function watch(options: Keepalive) {
    const ping = () => link().send(0, frameType.ping, frameFlag.none, new Uint8Array(pingBytes));
    liveness = watchLiveness(options, ping, () => {
      if (link().paused) {
        // It may have responded: this side does not read.
        watch(options);
      } else if (link().waitingBytes > excused * bytesPerExcuse) {
        excused += 1;
        watch(options);
      } else {
        link().close(new Error(`the other side did not respond to a ping within ${options.pingTimeoutMs} ms`));
      }
    });
  }

  return {
    begin() {
      if (liveness === undefined && keepalive !== undefined && !ended) {
        watch(keepalive);
      }
    },
    heard() {
      excused = 0;
      liveness?.heard();
    },
    end() {
      ended = true;
      liveness?.stop();
    },
  };
}
