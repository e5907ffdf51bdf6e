import type { Duplex } from "node:stream";
import { flushMs } from "../../call/time/grace-period.ts";
import type { FrameHeader } from "./frame.ts";
import { createFrameDecoder, encodeHeader, frameFlag, frameType, goAwayReason } from "./frame.ts";
import type { StreamLink } from "./stream.ts";
import { YamuxStream } from "./stream.ts";

/** Options for a session. */
export interface YamuxOptions {
  /** The client is who has opened the connection; it makes the only difference in how streams are numbered. */
  readonly role: "client" | "server";
  /** Takes a stream that the other side has opened. */
  readonly onStream: (stream: Duplex) => void;
  /** Streams of the other side that may be open at once; more are refused. Default: 256. */
  readonly maxStreams?: number;
}

/** Many streams over one connection. */
export interface YamuxSession {
  /**
   * Opens a stream. Nothing waits for the other side to accept it.
   * @throws Error if the session has ended, or the other side wants no more streams
   */
  openStream(): Duplex;
  /** Settles when the session has ended, with the error if it was broken off. */
  readonly ended: Promise<Error | undefined>;
  /** Breaks off the streams that are open, says so to the other side, and ends the connection. */
  close(): Promise<void>;
}

/** Bytes that may wait for a carrier and are not data: replies to a side that does not read them. */
const maxWaitingBytes = 1024 * 1024;

const maxStreamId = 0xffff_ffff;

/**
 * Speaks yamux version 0, as HashiCorp's implementation does, over a connection. A peer that breaks the protocol is
 * told so, and loses the connection.
 */
export function createYamuxSession(carrier: Duplex, options: YamuxOptions): YamuxSession {
  const { role, onStream, maxStreams = 256 } = options;
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<Error | undefined>();
  const streams = new Map<number, YamuxStream>();
  /** Streams that wait until the carrier takes more, those that have waited longest first. */
  const waiting = new Set<YamuxStream>();
  const ownParity = role === "client" ? 1 : 0;
  let accepted = 0;
  let nextId = role === "client" ? 1 : 2;
  let over: Error | undefined;
  let refusesMore = false;
  let corked = false;

  /** All that is sent in one turn leaves in one go. */
  function write(...chunks: readonly Buffer[]) {
    if (over !== undefined) {
      return;
    }
    if (!corked) {
      corked = true;
      carrier.cork();
      queueMicrotask(() => {
        corked = false;
        carrier.uncork();
      });
    }
    for (const chunk of chunks) {
      carrier.write(chunk);
    }
    if (carrier.writableLength > carrier.writableHighWaterMark + maxWaitingBytes) {
      fail(new Error("the other side of the yamux session does not read"), goAwayReason.internalError);
    }
  }

  const link: StreamLink = {
    congested(stream) {
      if (carrier.writableNeedDrain) {
        waiting.add(stream);
      }
      return carrier.writableNeedDrain;
    },
    sendData(streamId, chunks) {
      const length = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
      write(encodeHeader(frameType.data, frameFlag.none, streamId, length), ...chunks);
    },
    sendWindowUpdate: (streamId, flags, delta) => write(encodeHeader(frameType.windowUpdate, flags, streamId, delta)),
    forget(stream) {
      streams.delete(stream.id);
      waiting.delete(stream);
      accepted -= stream.id % 2 === ownParity ? 0 : 1;
    },
  };

  carrier.on("drain", () => {
    for (const stream of waiting) {
      if (carrier.writableNeedDrain) {
        return;
      }
      // Behind the others, should it have to wait again.
      waiting.delete(stream);
      stream.flush();
    }
  });

  /** The stream that gets the data of the frame that is coming in; data of streams that are over goes nowhere. */
  let receiving: YamuxStream | undefined;
  let endsWithData = false;

  function ofStream(header: FrameHeader) {
    const { type, flags, streamId, length } = header;
    if (streamId === 0) {
      throw new Error("a yamux frame for stream 0 belongs to no stream");
    }
    const stream = (flags & frameFlag.syn) === 0 ? streams.get(streamId) : acceptStream(streamId);
    if (stream === undefined) {
      return;
    }
    if ((flags & frameFlag.rst) !== 0) {
      stream.breakOff(connectionReset("the other side has broken the stream off"));
      return;
    }
    const ends = (flags & frameFlag.fin) !== 0;
    if (type === frameType.windowUpdate) {
      if (!stream.addSendWindow(length)) {
        throw new Error("the window of a yamux stream exceeds its maximum");
      }
    } else if (length > 0) {
      if (!stream.expectData(length)) {
        throw new Error(`${length} bytes are more than a yamux stream's window allows`);
      }
      receiving = stream;
      endsWithData = ends;
      return;
    }
    if (ends) {
      endStream(stream);
    }
  }

  function endStream(stream: YamuxStream) {
    if (!stream.receiveEnd()) {
      throw new Error("a yamux stream was ended twice");
    }
  }

  function acceptStream(streamId: number): YamuxStream | undefined {
    if (streamId % 2 === ownParity || streams.has(streamId)) {
      throw new Error(`a yamux stream can't be opened with the id ${streamId}`);
    }
    if (accepted >= maxStreams) {
      link.sendWindowUpdate(streamId, frameFlag.rst, 0);
      return undefined;
    }
    const stream = new YamuxStream(streamId, link);
    streams.set(streamId, stream);
    accepted += 1;
    link.sendWindowUpdate(streamId, frameFlag.ack, 0);
    onStream(stream);
    return stream;
  }

  const decode = createFrameDecoder({
    header(header) {
      receiving = undefined;
      if (over !== undefined) {
        return;
      }
      const { version, type, flags, length } = header;
      if (version !== 0) {
        throw new Error(`the other side does not speak yamux, or version ${version} of it`);
      }
      switch (type) {
        case frameType.data:
        case frameType.windowUpdate:
          ofStream(header);
          break;
        case frameType.ping:
          if ((flags & frameFlag.syn) !== 0) {
            write(encodeHeader(frameType.ping, frameFlag.ack, 0, length));
          }
          break;
        case frameType.goAway:
          refusesMore = true;
          if (length !== goAwayReason.normal) {
            throw new Error(`the other side has ended the yamux session for an error (${length})`);
          }
          break;
        default:
          throw new Error(`yamux has no frames of type ${type}`);
      }
    },
    data(bytes, last) {
      // It may have been destroyed in the meantime.
      if (receiving !== undefined && streams.get(receiving.id) === receiving) {
        receiving.receive(bytes);
        if (last && endsWithData) {
          endStream(receiving);
        }
      }
    },
  });

  carrier.on("data", (chunk: Buffer) => {
    try {
      if (over === undefined) {
        decode(chunk);
      }
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)), goAwayReason.protocolError);
    }
  });
  carrier.on("error", (error) => end(error));
  carrier.on("end", () => end(connectionReset("the other side has ended the connection")));
  carrier.on("close", () => end(connectionReset("the connection was closed")));

  /** Tells the other side why, then ends the session. */
  function fail(error: Error, reason: number) {
    if (over === undefined) {
      carrier.write(encodeHeader(frameType.goAway, frameFlag.none, 0, reason));
      end(error);
    }
  }

  function end(error: Error, isFailure = true) {
    if (over !== undefined) {
      return;
    }
    over = error;
    for (const stream of streams.values()) {
      stream.breakOff(error);
    }
    waiting.clear();
    // What was written last may need a moment, a side that does not read must not keep the connection.
    carrier.end();
    const lingering = setTimeout(() => carrier.destroy(), flushMs);
    carrier.once("finish", () => carrier.destroy());
    carrier.once("close", () => clearTimeout(lingering));
    if (carrier.destroyed || carrier.writableFinished) {
      clearTimeout(lingering);
      carrier.destroy();
    }
    resolveEnded(isFailure ? error : undefined);
  }

  return {
    openStream() {
      if (over !== undefined) {
        throw over;
      }
      if (refusesMore) {
        throw new Error("the other side of the yamux session takes no more streams");
      }
      if (nextId > maxStreamId) {
        throw new Error("the yamux session has no more stream ids");
      }
      const stream = new YamuxStream(nextId, link);
      nextId += 2;
      streams.set(stream.id, stream);
      link.sendWindowUpdate(stream.id, frameFlag.syn, 0);
      return stream;
    },
    ended,
    async close() {
      if (over === undefined) {
        carrier.write(encodeHeader(frameType.goAway, frameFlag.none, 0, goAwayReason.normal));
        end(connectionReset("the session was closed"), false);
      }
      await carrierClosed(carrier);
    },
  };
}

function carrierClosed(carrier: Duplex): Promise<void> {
  return carrier.closed ? Promise.resolve() : new Promise((resolve) => carrier.once("close", () => resolve()));
}

/** As Node says it of a socket, so that HTTP/2 and what explains its errors know it. */
function connectionReset(message: string): Error {
  return Object.assign(new Error(message), { code: "ECONNRESET" });
}
