/** Types of yamux frames. */
export const frameType = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;

/** Flags of yamux frames; they can be combined. */
export const frameFlag = { none: 0, syn: 1, ack: 2, fin: 4, rst: 8 } as const;

/** The reasons for the end of a session, in a go-away frame. */
export const goAwayReason = { normal: 0, protocolError: 1, internalError: 2 } as const;

/** Length of a frame's header, in bytes: version and type, 8 bits each, flags, 16 bits, stream id and length, 32 bits each. */
const headerBytes = 12;

/** Bytes that may be on their way on a stream until its reader has taken some: each side's first window. */
export const initialWindow = 256 * 1024;

/** The header of a frame. */
export interface FrameHeader {
  readonly version: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** Of data how many bytes follow, of a window update how many more may be sent; else a value of that type's own. */
  readonly length: number;
}

/** Writes a header of version 0. */
export function encodeHeader(type: number, flags: number, streamId: number, length: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(type, 1);
  header.writeUInt16BE(flags, 2);
  header.writeUInt32BE(streamId, 4);
  header.writeUInt32BE(length, 8);
  return header;
}

/** The receiver of frames. */
export interface FrameReceiver {
  /** A frame has begun. Comes before its data, so that data can be refused before there is any. */
  header(header: FrameHeader): void;
  /** A part of the data of the frame that has begun, as it came in; never empty. `last` with the end of it. */
  data(bytes: Buffer, last: boolean): void;
}

/**
 * Takes chunks of bytes apart into frames, however they were cut. It collects no data: that goes on as it comes in, so
 * what a header claims costs nothing. Returns what takes the next chunk.
 */
export function createFrameDecoder(receiver: FrameReceiver): (chunk: Buffer) => void {
  const head = Buffer.alloc(headerBytes);
  let headLength = 0;
  let missing = 0;
  return (chunk) => {
    let at = 0;
    while (at < chunk.byteLength) {
      if (missing > 0) {
        const part = chunk.subarray(at, at + missing);
        at += part.byteLength;
        missing -= part.byteLength;
        receiver.data(part, missing === 0);
        continue;
      }
      const copied = chunk.copy(head, headLength, at);
      at += copied;
      headLength += copied;
      if (headLength === headerBytes) {
        headLength = 0;
        const header = decodeHeader(head);
        missing = header.type === frameType.data ? header.length : 0;
        receiver.header(header);
      }
    }
  };
}

function decodeHeader(bytes: Buffer): FrameHeader {
  return {
    version: bytes.readUInt8(0),
    type: bytes.readUInt8(1),
    flags: bytes.readUInt16BE(2),
    streamId: bytes.readUInt32BE(4),
    length: bytes.readUInt32BE(8),
  };
}
