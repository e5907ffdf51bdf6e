import { Code, ConnectError } from "@connectrpc/connect";
import { setDeadlineTimer } from "../../base/async/within.ts";

/** Watches over something that is expected to move on. */
export interface IdleTimer {
  /** Something has moved. Cheap enough for each message. */
  moved(): void;
  /** Stops watching. */
  stop(): void;
}

/** The error of a call on which nothing has moved for too long. */
export function nothingSent(idleTimeoutMs: number): ConnectError {
  return new ConnectError(`nothing was sent for ${idleTimeoutMs} ms`, Code.DeadlineExceeded);
}

/**
 * Runs something once nothing has moved for so many milliseconds.
 * @param setTimer How its timers are set. Default: such that they keep a process running.
 */
export function createIdleTimer(idleTimeoutMs: number, onIdle: () => void, setTimer = setDeadlineTimer): IdleTimer {
  let lastMoved = performance.now();
  let timer = setTimer(look, idleTimeoutMs);

  /** One timer runs at a time, and is not set anew by what moves: it looks how long ago that was. */
  function look() {
    const leftMs = lastMoved + idleTimeoutMs - performance.now();
    if (leftMs > 0) {
      timer = setTimer(look, Math.ceil(leftMs));
    } else {
      onIdle();
    }
  }

  return {
    moved() {
      lastMoved = performance.now();
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
