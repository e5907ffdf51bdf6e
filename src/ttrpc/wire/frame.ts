import { maxDataBytes } from "../limits.ts";

/** Types of ttrpc frames; those from 0x11 on are of our extensions, plugboard.stream.v1 and plugboard.chunk.v1. */
export const frameType = {
  request: 0x01,
  response: 0x02,
  data: 0x03,
  cancel: 0x11,
  header: 0x12,
  window: 0x13,
  ping: 0x14,
  chunk: 0x15,
  goAway: 0x16,
} as const;

/** Flags of ttrpc frames. */
export const frameFlag = {
  none: 0,
  /** The sender sends no more on this stream. */
  remoteClosed: 0x01,
  /** The sender will send more on this stream. */
  remoteOpen: 0x02,
  /** There is no message in this frame, as opposed to an empty one. */
  noData: 0x04,
  /** On a ping: this is the reply. */
  pingReply: 0x01,
  /** Of a chunk: this is the length of a message whose pieces follow. */
  chunkLength: 0x01,
} as const;

/** The flags of a request: which messages follow. */
export const openFlags = {
  /** None: it carries the only one, and has one response. */
  unary: frameFlag.none,
  /** None: it carries the only one, and has a stream of responses. */
  single: frameFlag.remoteClosed,
  /** All of them. ttrpc-rust takes what doesn't say that there is no message in it for the first one. */
  stream: frameFlag.remoteOpen | frameFlag.noData,
} as const;

/** Length of a frame's header, in bytes: length and stream id, both 32 bits in network order, type and flags. */
export const headerBytes = 10;

/** A frame that came in. */
export interface Frame {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  /** `undefined` if it was longer than `maxDataBytes` and was skipped. */
  readonly data: Uint8Array | undefined;
}

/** Writes a frame's header. */
export function writeHeader(
  bytes: Uint8Array,
  offset: number,
  length: number,
  streamId: number,
  type: number,
  flags: number,
): void {
  bytes[offset] = length >>> 24;
  bytes[offset + 1] = length >>> 16;
  bytes[offset + 2] = length >>> 8;
  bytes[offset + 3] = length;
  bytes[offset + 4] = streamId >>> 24;
  bytes[offset + 5] = streamId >>> 16;
  bytes[offset + 6] = streamId >>> 8;
  bytes[offset + 7] = streamId;
  bytes[offset + 8] = type;
  bytes[offset + 9] = flags;
}

/** Takes chunks of bytes apart into frames, however they were cut. */
export interface FrameDecoder {
  /**
   * Takes the next chunk. The data of a frame is a copy of its own: a message's bytes may be handed on together with the
   * buffer they lie in, and with a chunk that would be other calls' messages, too.
   * @throws Error if the other side does not speak ttrpc; the decoder is of no use after that.
   */
  push(chunk: Uint8Array): void;
  /** True if the last chunk has ended with a frame. */
  atBoundary(): boolean;
}

const empty = new Uint8Array(0);

/** Makes a decoder. It holds no more than one frame. */
export function createFrameDecoder(onFrame: (frame: Frame) => void): FrameDecoder {
  /** A header that is not complete yet. */
  const head = new Uint8Array(headerBytes);
  let headLength = 0;
  /** A frame whose data is not complete yet. */
  let partial: { streamId: number; type: number; flags: number; data: Uint8Array | undefined } | undefined;
  let missing = 0;

  /** Reads a header, and the data if the chunk has all of it. Returns where to go on. */
  function readFrame(header: Uint8Array, at: number, chunk: Uint8Array, dataAt: number): number {
    const first = header[at] ?? 0;
    if (first !== 0) {
      throw new Error("the other side does not speak ttrpc");
    }
    const length = uint32(header, at);
    const streamId = uint32(header, at + 4);
    const type = header[at + 8] ?? 0;
    const flags = header[at + 9] ?? 0;
    const end = dataAt + length;
    if (length <= maxDataBytes && end <= chunk.byteLength) {
      onFrame({ streamId, type, flags, data: length === 0 ? empty : chunk.slice(dataAt, end) });
      return end;
    }
    const available = Math.min(length, chunk.byteLength - dataAt);
    const data = length <= maxDataBytes ? new Uint8Array(length) : undefined;
    data?.set(chunk.subarray(dataAt, dataAt + available));
    missing = length - available;
    if (missing > 0) {
      partial = { streamId, type, flags, data };
    } else {
      onFrame({ streamId, type, flags, data });
    }
    return dataAt + available;
  }

  return {
    push(chunk) {
      let at = 0;
      if (partial !== undefined) {
        at = Math.min(missing, chunk.byteLength);
        partial.data?.set(chunk.subarray(0, at), partial.data.byteLength - missing);
        missing -= at;
        if (missing > 0) {
          return;
        }
        const whole = partial;
        partial = undefined;
        onFrame(whole);
      }
      if (headLength > 0 && at < chunk.byteLength) {
        const taken = Math.min(headerBytes - headLength, chunk.byteLength - at);
        head.set(chunk.subarray(at, at + taken), headLength);
        headLength += taken;
        at += taken;
        if (headLength < headerBytes) {
          return;
        }
        headLength = 0;
        at = readFrame(head, 0, chunk, at);
      }
      while (chunk.byteLength - at >= headerBytes) {
        at = readFrame(chunk, at, chunk, at + headerBytes);
      }
      if (at < chunk.byteLength) {
        head.set(chunk.subarray(at));
        headLength = chunk.byteLength - at;
      }
    },
    atBoundary: () => partial === undefined && headLength === 0,
  };
}

/** Reads 32 bits in network order. */
export function uint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

/** Writes 32 bits in network order. */
export function uint32Bytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
