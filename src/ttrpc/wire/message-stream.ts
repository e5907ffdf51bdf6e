import { Code, ConnectError } from "@connectrpc/connect";
import { longerThanTaken } from "../../call/errors/longer-than-taken.ts";
import { maxDataBytes } from "../limits.ts";
import type { Backlog, Reservation } from "./backlog.ts";
import { backlogFull } from "./backlog.ts";
import type { Assembly } from "./chunks.ts";
import { createAssembly, maxAnnouncedBytes, pieceBytes } from "./chunks.ts";
import type { StreamExtensions } from "./envelope.ts";
import { frameFlag, frameType, headerBytes, uint32, uint32Bytes } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";
import { createMessageQueue, weightOf } from "./message-queue.ts";
import { createSendWindow, initialWindowBytes } from "./send-window.ts";

/** The messages of one stream in both directions, which are the same for a client and for a server. */
export interface MessageStream {
  /** The weight of the messages that have come in and were not read yet. */
  readonly waiting: number;
  /** A message has come in with the request, for which there is no window. */
  receivedFirst(message: Uint8Array): void;
  /** A message has come in. */
  received(message: Uint8Array): void;
  /** A Chunk frame has come in; only for streams of plugboard.chunk.v1. */
  receivedChunk(data: Uint8Array, flags: number): void;
  /** No more will come in; after what waits comes the error, if there is one. */
  receivedEnd(error?: unknown): void;
  /** The other side allows more; the data of a Window frame. */
  receivedWindow(data: Uint8Array): void;
  /** The next message that has come in; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** The next message if it waits already; `undefined` otherwise, and at the end. */
  take(): Uint8Array | undefined;
  /**
   * Sends a message, as soon as the other side and the carrier take it. It has to be all of its memory, and is given away:
   * nothing may read it any more.
   * @returns `undefined` if it was taken at once, as is usual: then there is nothing to wait for.
   * @throws ConnectError resource_exhausted if it is longer than a frame can be, and the other side takes no chunks.
   */
  send(message: Uint8Array): Promise<void> | undefined;
  /** Sends a message in chunks, however long it is. */
  sendInChunks(message: Uint8Array): Promise<void>;
  /** Says that no more will be sent. */
  sendEnd(): void;
  /** Nothing more is sent, and no writer waits any longer. */
  stopSending(): void;
  /** The stream has failed: its reader fails with the error, and nothing more is sent. */
  fail(error: unknown): void;
}

/** Bytes that a plain peer may send ahead before the connection is not read any more for a while. */
const plainPauseBytes = 1024 * 1024;

/** Bytes that a plain peer may send ahead in all: where the carrier can't wait, or a reader takes many minutes. */
const plainLimitBytes = 16 * 1024 * 1024;

/**
 * Milliseconds that a connection is not read, for each byte that waits to be read. Then one more message is let in,
 * even if none was taken meanwhile: a connection that is not read does not tell its end, and the calls beside this one
 * would wait for ever.
 */
const plainPauseMsPerByte = 10_000 / (1024 * 1024);

/** The link and the limits of a message stream. */
export interface MessageStreamParts extends StreamExtensions {
  readonly link: FrameLink;
  readonly streamId: number;
  /** Longest message that is taken in chunks, in bytes. */
  readonly maxMessageBytes: number;
  /** The connection's count of waiting data, with this stream's. Default: it is not counted. */
  readonly backlog?: Backlog;
  /** The code of the error when the other side does not keep to the protocol. */
  readonly violationCode: Code;
  /** Called if the other side sends what it must not. */
  readonly onViolation: (error: ConnectError) => void;
  /** Called when a part of a message has left. */
  readonly onSent?: () => void;
}

/**
 * Makes the message part of a stream. On one of plugboard.stream.v1, there is a window in each direction; on others the
 * connection as a whole has to wait for a reader that is slow.
 */
export function createMessageStream(parts: MessageStreamParts): MessageStream {
  const { link, streamId, extended, chunked, maxMessageBytes, backlog, violationCode, onViolation, onSent } = parts;
  const window = createSendWindow(extended);
  let sending = true;
  let receiving = true;
  let paused = false;
  let pauseTimer: ReturnType<typeof setTimeout> | undefined;
  /** Bytes that were read and not given back to the sender yet. */
  let owed = 0;
  /** Bytes that the sender may still send; one message may be larger than that. */
  let allowed = initialWindowBytes;
  /** A message that comes in chunks. */
  let assembly: Assembly | undefined;
  /** Its room on the connection, once a reader waits for it. */
  let room: Reservation | undefined;
  /** This stream's part of the backlog: its waiting bytes, or where there is a window, those beyond it. */
  let counted = 0;

  const queue = createMessageQueue((weight) => {
    owed += weight;
    count();
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
  /** Returns how much more waits than before. */
  const count = (): number => {
    const before = counted;
    counted = extended ? Math.max(queue.weight - initialWindowBytes, 0) : queue.weight;
    if (counted !== before) {
      backlog?.add(counted - before);
    }
    return counted - before;
  };
  const readOn = () => {
    if (paused) {
      paused = false;
      clearTimeout(pauseTimer);
      link.resume();
    }
  };

  const brokenChunks = (what: string) =>
    new ConnectError(`the chunks of a message do not fit together: ${what}`, violationCode);
  const holdsBack = () => sending && (!window.open || link.congested);
  const sendable = async () => {
    while (holdsBack()) {
      await (window.open ? link.writable() : window.opened());
    }
  };

  /**
   * A message in chunks may be longer than a window: all of it is allowed once a reader waits for it, and only then, as
   * until then it is not known whether there will ever be one; and once the connection has room for it.
   */
  function allowAssembly() {
    if (assembly !== undefined && room === undefined && queue.awaited) {
      const weight = headerBytes + assembly.length;
      const allow = () => {
        link.send(streamId, frameType.window, frameFlag.none, uint32Bytes(weight));
        allowed += weight;
        // Reading it gives this back.
        owed -= weight;
      };
      if (backlog === undefined) {
        room = unlimitedRoom;
        allow();
      } else {
        room = backlog.reserve(weight, allow);
      }
    }
  }

  /** The message in chunks is whole, or will never be. */
  function endAssembly() {
    assembly = undefined;
    room?.end();
    room = undefined;
  }

  /** Begins a message, or adds to it. Returns what is wrong with the chunk. */
  function takeChunk(data: Uint8Array, flags: number): ConnectError | undefined {
    if (allowed <= 0) {
      return beyondWindow();
    }
    if ((flags & frameFlag.chunkLength) !== 0) {
      if (assembly !== undefined || data.byteLength !== 4) {
        return brokenChunks(assembly === undefined ? "a length has not 4 bytes" : "a message begins within another");
      }
      const length = uint32(data, 0);
      if (length > Math.min(maxMessageBytes, maxAnnouncedBytes)) {
        return longerThanTaken(length, maxMessageBytes);
      }
      assembly = createAssembly(length);
      allowed -= headerBytes;
    } else {
      if (assembly === undefined || data.byteLength === 0 || data.byteLength > assembly.missing) {
        return brokenChunks("a piece belongs to no message");
      }
      allowed -= data.byteLength;
      assembly.add(data);
    }
    if (assembly.missing === 0) {
      const message = assembly.whole();
      endAssembly();
      queue.push(message);
      count();
    } else {
      allowAssembly();
    }
    return undefined;
  }

  function sendNow(message: Uint8Array) {
    if (sending) {
      window.take(weightOf(message));
      link.give(streamId, frameType.data, frameFlag.none, message);
    }
  }

  const stream: MessageStream = {
    get waiting() {
      return queue.weight;
    },
    receivedFirst(message) {
      queue.push(message);
      count();
    },
    received(message) {
      if (!receiving) {
        return;
      }
      if (extended && allowed <= 0) {
        onViolation(beyondWindow());
        return;
      }
      if (assembly !== undefined) {
        onViolation(brokenChunks("a message comes within another"));
        return;
      }
      const full = backlog?.full(extended) === true;
      queue.push(message);
      if (count() > 0 && full) {
        onViolation(backlogFull());
        return;
      }
      if (extended) {
        allowed -= weightOf(message);
      } else if (queue.weight > plainPauseBytes && !paused) {
        paused = link.pause();
        pauseTimer = paused ? setTimeout(readOn, queue.weight * plainPauseMsPerByte) : undefined;
      }
      if (queue.weight > plainLimitBytes) {
        onViolation(new ConnectError("messages arrive faster than they are read", Code.ResourceExhausted));
      }
    },
    receivedChunk(data, flags) {
      const wrong = receiving && chunked ? takeChunk(data, flags) : undefined;
      if (wrong !== undefined) {
        onViolation(wrong);
      }
    },
    receivedEnd(error) {
      receiving = false;
      queue.end(error ?? (assembly && brokenChunks("a message is not whole")));
      endAssembly();
      // What waits is all there is, so nothing need wait for it.
      readOn();
    },
    receivedWindow(data) {
      if (data.byteLength === 4) {
        window.give(uint32(data, 0));
      }
    },
    next() {
      const message = queue.next();
      allowAssembly();
      return message;
    },
    take: queue.take,
    send(message) {
      if (message.byteLength > maxDataBytes) {
        if (!chunked) {
          throw messageTooLong(message.byteLength);
        }
        return stream.sendInChunks(message);
      }
      if (holdsBack()) {
        return sendable().then(() => sendNow(message));
      }
      sendNow(message);
      return undefined;
    },
    async sendInChunks(message) {
      await sendable();
      if (!sending) {
        return;
      }
      window.take(headerBytes);
      link.send(streamId, frameType.chunk, frameFlag.chunkLength, uint32Bytes(message.byteLength));
      for (let at = 0; at < message.byteLength; at += pieceBytes) {
        await sendable();
        if (!sending) {
          return;
        }
        const piece = message.subarray(at, at + pieceBytes);
        window.take(piece.byteLength);
        link.send(streamId, frameType.chunk, frameFlag.none, piece);
        onSent?.();
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
      endAssembly();
      queue.fail(error);
      count();
      readOn();
    },
  };
  return stream;
}

/** The room where nothing is counted. */
const unlimitedRoom: Reservation = { end: () => undefined };

const beyondWindow = () => new ConnectError("the peer sends more than its window allows", Code.ResourceExhausted);

/** The error for a message that does not fit into a frame. */
export function messageTooLong(bytes: number): ConnectError {
  return new ConnectError(
    `the message has ${bytes} bytes, which is more than ttrpc can carry (${maxDataBytes} with its envelope)`,
    Code.ResourceExhausted,
  );
}
