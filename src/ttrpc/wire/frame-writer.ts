import { headerBytes, writeHeader } from "./frame.ts";

/** Size of the chunks that frames are written into, in bytes. */
const chunkBytes = 64 * 1024;

/** A piece of what was written. */
interface WrittenChunk {
  readonly bytes: Uint8Array;
  /** True if nothing else reads the memory behind it any more. */
  readonly given: boolean;
}

/** Collects frames until they are sent. */
export interface FrameWriter {
  /** The chunk that `begin` has made room in. It is another one after each `begin`. */
  readonly bytes: Uint8Array;
  /** Writes a frame's header and makes room for its data. Returns where in `bytes` that begins. */
  begin(length: number, streamId: number, type: number, flags: number): number;
  /**
   * Writes a frame whose data becomes a chunk of its own, without being copied; so the header is one of its own, too. The
   * data must not be written to any more.
   * @param given True if the data is all of its memory, and nothing else reads it any more.
   */
  writeApart(data: Uint8Array, streamId: number, type: number, flags: number, given: boolean): void;
  /** Bytes that wait to be taken. */
  readonly pendingBytes: number;
  /** Takes what was written since the last time, each chunk with whole frames. */
  take(): readonly WrittenChunk[];
}

/**
 * Makes a writer. It writes many frames into one chunk of memory, as getting memory for each costs more than writing
 * it. What was taken is not written to again.
 */
export function createFrameWriter(): FrameWriter {
  let full: WrittenChunk[] = [];
  let start = 0;
  let end = 0;
  let pendingBytes = 0;
  const cut = () => {
    if (end > start) {
      full.push({ bytes: writer.bytes.subarray(start, end), given: false });
      start = end;
    }
  };
  const writer = {
    bytes: new Uint8Array(chunkBytes),
    get pendingBytes() {
      return pendingBytes;
    },
    begin(length: number, streamId: number, type: number, flags: number): number {
      const size = headerBytes + length;
      if (writer.bytes.byteLength - end < size) {
        cut();
        writer.bytes = new Uint8Array(Math.max(size, chunkBytes));
        start = 0;
        end = 0;
      }
      writeHeader(writer.bytes, end, length, streamId, type, flags);
      end += size;
      pendingBytes += size;
      return end - length;
    },
    writeApart(data: Uint8Array, streamId: number, type: number, flags: number, given: boolean) {
      const at = writer.begin(0, streamId, type, flags);
      writeHeader(writer.bytes, at - headerBytes, data.byteLength, streamId, type, flags);
      cut();
      full.push({ bytes: data, given });
      pendingBytes += data.byteLength;
    },
    take() {
      cut();
      const taken = full;
      full = [];
      pendingBytes = 0;
      return taken;
    },
  };
  return writer;
}
