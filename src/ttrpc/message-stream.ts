import { Code, ConnectError } from "@connectrpc/connect";
import { frameFlag, frameType, maxDataBytes, uint32, uint32Bytes } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";
import { createMessageQueue, weightOf } from "./message-queue.ts";
import { createSendWindow, initialWindowBytes } from "./send-window.ts";

/** The messages of one stream in both directions, which are the same for a client and for a server. */
export interface MessageStream {
  /** A message has come in with the request, for which there is no window. */
  receivedFirst(message: Uint8Array): void;
  /** A message has come in. */
  received(message: Uint8Array): void;
  /** No more will come in; after what waits comes the error, if there is one. */
  receivedEnd(error?: unknown): void;
  /** The other side allows more; the data of a Window frame. */
  receivedWindow(data: Uint8Array): void;
  /** The next message that has come in; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /**
   * Sends a message, as soon as the other side and the carrier take it.
   * @throws ConnectError resource_exhausted if it is longer than a frame can be.
   */
  send(message: Uint8Array): Promise<void>;
  /** Says that no more will be sent. */
  sendEnd(): void;
  /** Nothing more is sent, and no writer waits any longer. */
  stopSending(): void;
  /** The stream has failed: its reader fails with the error, and nothing more is sent. */
  fail(error: unknown): void;
}

/** What a plain peer may send ahead before the connection is not read any more for a while, in bytes. */
const plainPauseBytes = 1024 * 1024;

/** What a plain peer may send ahead in all, in bytes: where the carrier can't wait, or a reader takes many minutes. */
const plainLimitBytes = 16 * 1024 * 1024;

/**
 * How long a connection is not read, in milliseconds for each byte that waits to be read. Then one more message is let
 * in, be it that nobody takes those before: a connection that is not read does not tell its end, and the calls beside
 * this one would wait for ever.
 */
const plainPauseMsPerByte = 10_000 / (1024 * 1024);

/**
 * Makes the message part of a stream.
 * @param extended Whether the stream is one of plugboard.stream.v1, with a window in each direction. Without it the
 * connection as a whole has to wait for a reader that is slow.
 * @param onViolation Called if the other side sends what it must not.
 */
export function createMessageStream(
  link: FrameLink,
  streamId: number,
  extended: boolean,
  onViolation: (error: ConnectError) => void,
): MessageStream {
  const window = createSendWindow(extended);
  let sending = true;
  let receiving = true;
  let paused = false;
  let pauseTimer: ReturnType<typeof setTimeout> | undefined;
  /** What was read and not given back to the sender yet. */
  let owed = 0;
  /** What the sender may still send; one message may be larger than that. */
  let allowed = initialWindowBytes;

  const queue = createMessageQueue((weight) => {
    owed += weight;
    if (extended) {
      // Not for every message: a window is worth its frame when it is worth half of what was there.
      if (owed >= initialWindowBytes / 2 && receiving) {
        link.send(streamId, frameType.window, frameFlag.none, uint32Bytes(owed));
        allowed += owed;
        owed = 0;
      }
    } else if (queue.weight < plainPauseBytes / 2) {
      readOn();
    }
  });
  const readOn = () => {
    if (paused) {
      paused = false;
      clearTimeout(pauseTimer);
      link.resume();
    }
  };

  return {
    receivedFirst: (message) => queue.push(message),
    received(message) {
      if (!receiving) {
        return;
      }
      if (extended && allowed <= 0) {
        onViolation(new ConnectError("the peer sends more than its window allows", Code.ResourceExhausted));
        return;
      }
      queue.push(message);
      if (extended) {
        allowed -= weightOf(message);
      } else if (queue.weight > plainPauseBytes && !paused) {
        paused = link.pause();
        pauseTimer = paused ? setTimeout(readOn, queue.weight * plainPauseMsPerByte) : undefined;
      }
      if (queue.weight > plainLimitBytes) {
        onViolation(new ConnectError("the messages come faster than they are read", Code.ResourceExhausted));
      }
    },
    receivedEnd(error) {
      receiving = false;
      queue.end(error);
      // What waits is all there is, so nothing need wait for it.
      readOn();
    },
    receivedWindow(data) {
      if (data.byteLength === 4) {
        window.give(uint32(data, 0));
      }
    },
    next: () => queue.next(),
    async send(message) {
      if (message.byteLength > maxDataBytes) {
        throw messageTooLong(message.byteLength);
      }
      while (sending && (!window.open || link.congested)) {
        await (window.open ? link.writable() : window.opened());
      }
      if (sending) {
        window.take(weightOf(message));
        link.send(streamId, frameType.data, frameFlag.none, message);
      }
    },
    sendEnd() {
      if (sending) {
        link.send(streamId, frameType.data, frameFlag.remoteClosed | frameFlag.noData);
      }
    },
    stopSending() {
      sending = false;
      window.end();
    },
    fail(error) {
      sending = false;
      window.end();
      receiving = false;
      queue.fail(error);
      readOn();
    },
  };
}

/** What a message that does not fit into a frame fails with. */
export function messageTooLong(bytes: number): ConnectError {
  return new ConnectError(
    `the message has ${bytes} bytes, which is more than ttrpc can carry (${maxDataBytes} with its envelope)`,
    Code.ResourceExhausted,
  );
}
