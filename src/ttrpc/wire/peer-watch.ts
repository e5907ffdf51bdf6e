import type { Keepalive, Liveness } from "../../call/time/keepalive.ts";
import { watchLiveness } from "../../call/time/keepalive.ts";
import { frameFlag, frameType } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";
import { pingBytes } from "./ping.ts";

/** Watches over the peer of one connection. */
export interface PeerWatch {
  /** The peer has shown that it answers pings. Does nothing the second time. */
  begin(): void;
  /** Bytes have come in, or what waited for the carrier has left. */
  heard(): void;
  /** The connection has ended. */
  end(): void;
}

/**
 * How much of what waits for the carrier excuses one missing answer, in bytes: the ping waits behind it, and a link may be
 * slow.
 */
const bytesPerExcuse = 1024 * 1024;

/** Breaks a connection off whose peer has vanished. Until `begin` nothing is sent: plain ttrpc knows no pings. */
export function createPeerWatch(link: () => FrameLink, keepalive: Keepalive | undefined): PeerWatch {
  let liveness: Liveness | undefined;
  let ended = false;
  /** How many answers were excused in a row by what waits. */
  let excused = 0;

  function watch(options: Keepalive) {
    const ping = () => link().send(0, frameType.ping, frameFlag.none, new Uint8Array(pingBytes));
    liveness = watchLiveness(options, ping, () => {
      if (link().paused) {
        // It may have answered: it is us who do not read on.
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
