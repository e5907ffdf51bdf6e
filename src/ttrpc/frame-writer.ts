import { headerBytes, writeHeader } from "./frame.ts";

/** Size of the chunks that frames are written into, in bytes. */
const chunkBytes = 64 * 1024;

/** Collects frames until they are sent. */
export interface FrameWriter {
  /** The chunk that `begin` has made room in. It is another one after each `begin`. */
  readonly bytes: Uint8Array;
  /** Writes a frame's header and makes room for its data. Returns where in `bytes` that begins. */
  begin(length: number, streamId: number, type: number, flags: number): number;
  /** How many bytes wait to be taken. */
  readonly pendingBytes: number;
  /** Takes what was written since the last time, each chunk with whole frames. */
  take(): readonly Uint8Array[];
}

/**
 * Makes a writer. It writes many frames into one chunk of memory, as getting memory for each costs more than writing
 * it. What was taken is not written to again.
 */
export function createFrameWriter(): FrameWriter {
  let full: Uint8Array[] = [];
  let start = 0;
  let end = 0;
  let pendingBytes = 0;
  const writer = {
    bytes: new Uint8Array(chunkBytes),
    get pendingBytes() {
      return pendingBytes;
    },
    begin(length: number, streamId: number, type: number, flags: number): number {
      const size = headerBytes + length;
      if (writer.bytes.byteLength - end < size) {
        if (end > start) {
          full.push(writer.bytes.subarray(start, end));
        }
        writer.bytes = new Uint8Array(Math.max(size, chunkBytes));
        start = 0;
        end = 0;
      }
      writeHeader(writer.bytes, end, length, streamId, type, flags);
      end += size;
      pendingBytes += size;
      return end - length;
    },
    take() {
      const taken = full;
      if (end > start) {
        taken.push(writer.bytes.subarray(start, end));
      }
      full = [];
      start = end;
      pendingBytes = 0;
      return taken;
    },
  };
  return writer;
}
