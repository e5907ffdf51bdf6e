import { endOfTurn } from "../../base/async/turns.ts";
import type { CarrierConnection, CarrierReceiver } from "../carrier.ts";
import type { Frame } from "./frame.ts";
import { createFrameDecoder } from "./frame.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { createFrameWriter } from "./frame-writer.ts";

/** Bytes that may wait for a carrier before streams hold back, and are sent at once instead of collected. */
const highWaterBytes = 256 * 1024;

/** Frames over a carrier's connection, for a client or a server. */
export interface FrameLink {
  /** Begins to receive from the carrier, which may deliver at once: the receiver must be ready. Called once. */
  start(): void;
  /** Writes frames; `flush` sends them. */
  readonly writer: FrameWriter;
  /** Sends what was written, together with what else is written in this turn of the event loop. */
  flush(): void;
  /** Writes a frame and flushes. */
  send(streamId: number, type: number, flags: number, data?: Uint8Array): void;
  /**
   * The same with data that is given away: it is all of its memory, and nothing else reads it any more, as that may be gone
   * as soon as it has left.
   */
  give(streamId: number, type: number, flags: number, data: Uint8Array): void;
  /** True while the carrier takes no more; streams then wait for `writable`. */
  readonly congested: boolean;
  /** Settles when the carrier takes more, or has ended. */
  writable(): Promise<void>;
  /** True if `pause` has an effect. */
  readonly canPause: boolean;
  /** Stops hearing frames for a while, if the carrier can do that. Returns whether it can. */
  pause(): boolean;
  /** Hears frames again, once for each `pause`. */
  resume(): void;
  /** Stops hearing frames until the carrier takes more, if it takes no more now. */
  holdBack(): void;
  /** True while it does not hear frames for another reason than that the carrier takes no more. */
  readonly paused: boolean;
  /** Bytes that wait for a carrier that takes no more, as far as they were handed to it. */
  readonly waitingBytes: number;
  /** Sends what was written and ends the connection; at once if there is an error. */
  close(error?: Error): void;
}

/** From how many bytes on the data of a frame is rather sent as it is than copied. */
const apartBytes = 16 * 1024;

/** The receiver of frames. */
export interface FrameReceiver {
  /** Bytes have come in, a whole frame or not; or the carrier, which took no more, goes on. */
  heard?(): void;
  frame(frame: Frame): void;
  /** The connection has ended, in whatever way. */
  ended(error: Error | undefined): void;
}

/**
 * Makes what exchanges frames over a connection, once it is started.
 * @param frameTimeoutMs Milliseconds that the bytes of one frame may take to come in. Default: for ever.
 */
export function createFrameLink(
  connection: CarrierConnection,
  receiver: FrameReceiver,
  frameTimeoutMs?: number,
): FrameLink {
  const writer = createFrameWriter();
  const decoder = createFrameDecoder((frame) => {
    frameEnded = true;
    receiver.frame(frame);
  });
  const waiting = new Set<() => void>();
  let flushing = false;
  let blocked = false;
  let waitingBytes = 0;
  let holding = false;
  let ended = false;
  let pauses = 0;
  let frameTimer: ReturnType<typeof setTimeout> | undefined;
  let frameEnded = false;
  /** The carrier's error. */
  let failure: Error | undefined;
  let sending = false;
  /** Events of the carrier from within `send`, in order: the call that is just being written has yet to begin. */
  const told: (() => void)[] = [];

  function sendWritten() {
    flushing = false;
    sending = true;
    try {
      for (const { bytes, given } of writer.take()) {
        if (!ended && failure === undefined) {
          // What is given away has no length any more once it has left.
          const { byteLength } = bytes;
          blocked = !connection.send(bytes, given) || blocked;
          waitingBytes = blocked ? waitingBytes + byteLength : 0;
        }
      }
    } catch (thrown) {
      failed(thrown);
    }
    sending = false;
    if (!blocked) {
      wake();
    }
  }

  function write(streamId: number, type: number, flags: number, data: Uint8Array | undefined, given: boolean) {
    if (data !== undefined && data.byteLength >= apartBytes && !connection.wholeFrames) {
      writer.writeApart(data, streamId, type, flags, given);
    } else {
      const at = writer.begin(data?.byteLength ?? 0, streamId, type, flags);
      if (data !== undefined) {
        writer.bytes.set(data, at);
      }
    }
    link.flush();
  }

  /** Runs it soon, after what was put off before. */
  function putOff(tell: () => void) {
    if (told.push(tell) === 1) {
      queueMicrotask(() => {
        // With what is told meanwhile.
        for (const each of told) {
          each();
        }
        told.length = 0;
      });
    }
  }

  /** The carrier has thrown: nothing more can be sent. Not at once, as a call that is just being written has yet to begin. */
  function failed(thrown: unknown) {
    failure ??= asError(thrown);
    queueMicrotask(() => link.close(failure));
  }

  function wake() {
    for (const resolve of waiting) {
      resolve();
    }
    waiting.clear();
  }

  /** Watches over a frame of which only a part has come in, unless it is us who do not read on. */
  function watchFrame() {
    const waits = frameTimeoutMs !== undefined && !ended && pauses === 0 && !decoder.atBoundary();
    if (frameEnded || !waits) {
      frameEnded = false;
      clearTimeout(frameTimer);
      frameTimer = undefined;
    }
    if (waits) {
      frameTimer ??= setTimeout(
        () => link.close(new Error(`a frame was not complete within ${frameTimeoutMs} ms`)),
        frameTimeoutMs,
      );
    }
  }

  function end(error: Error | undefined) {
    if (!ended) {
      ended = true;
      watchFrame();
      blocked = false;
      wake();
      receiver.ended(error);
    }
  }

  function receive(bytes: Uint8Array) {
    if (ended) {
      return;
    }
    try {
      receiver.heard?.();
      decoder.push(bytes);
      if (connection.wholeFrames && !decoder.atBoundary()) {
        throw new Error("a message ends in the middle of a frame");
      }
      watchFrame();
    } catch (error) {
      // Only the other side's data can fail here: receivers of frames don't throw.
      link.close(asError(error));
    }
  }

  function drained() {
    blocked = false;
    waitingBytes = 0;
    receiver.heard?.();
    wake();
  }

  const tellsWithinSend = () => sending || told.length > 0;
  const carrierReceiver: CarrierReceiver = {
    receive: (bytes) => (tellsWithinSend() ? putOff(() => receive(bytes)) : receive(bytes)),
    unreadable: (error) => (tellsWithinSend() ? putOff(() => link.close(error)) : link.close(error)),
    drained: () => (tellsWithinSend() ? putOff(drained) : drained()),
    ended: (error) => (tellsWithinSend() ? putOff(() => end(error)) : end(error)),
  };

  const link: FrameLink = {
    writer,
    start() {
      try {
        connection.start(carrierReceiver);
      } catch (thrown) {
        link.close(asError(thrown));
      }
    },
    flush() {
      if (writer.pendingBytes >= highWaterBytes) {
        sendWritten();
      } else if (!flushing) {
        flushing = true;
        endOfTurn(sendWritten);
      }
    },
    send: (streamId, type, flags, data) => write(streamId, type, flags, data, false),
    give: (streamId, type, flags, data) => write(streamId, type, flags, data, true),
    get congested() {
      return blocked || writer.pendingBytes >= highWaterBytes;
    },
    writable() {
      return link.congested ? new Promise((resolve) => waiting.add(resolve)) : Promise.resolve();
    },
    canPause: connection.pause !== undefined,
    pause() {
      if (connection.pause === undefined) {
        return false;
      }
      pauses += 1;
      try {
        connection.pause();
      } catch (thrown) {
        failed(thrown);
      }
      watchFrame();
      return true;
    },
    resume() {
      pauses -= 1;
      if (pauses === 0) {
        try {
          connection.resume?.();
        } catch (thrown) {
          failed(thrown);
        }
        watchFrame();
      }
    },
    holdBack() {
      if (!holding && link.congested && link.pause()) {
        holding = true;
        const goOn = () => {
          holding = false;
          link.resume();
        };
        link.writable().then(goOn, goOn);
      }
    },
    get paused() {
      return pauses > (holding ? 1 : 0);
    },
    get waitingBytes() {
      return waitingBytes;
    },
    close(error) {
      if (!ended) {
        sendWritten();
        // Those who wait are told, whatever becomes of the carrier.
        try {
          connection.close(error ?? failure);
        } catch (thrown) {
          failure ??= asError(thrown);
        }
        end(error ?? failure);
      }
    },
  };
  return link;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
