import { frameFlag, headerBytes, writeHeader } from "../../../src/ttrpc/wire/frame.ts";

/** A frame to send, whatever is right or wrong with it. */
export interface RawFrame {
  readonly streamId: number;
  readonly type: number;
  /** Default: none. */
  readonly flags?: number;
  /** Default: none. */
  readonly data?: Uint8Array;
  /** The data's length in the header. Default: the truth. */
  readonly length?: number;
}

/** The bytes of a frame. */
export function encodeFrame({ streamId, type, flags = frameFlag.none, data, length }: RawFrame): Uint8Array {
  const bytes = new Uint8Array(headerBytes + (data?.byteLength ?? 0));
  writeHeader(bytes, 0, length ?? data?.byteLength ?? 0, streamId, type, flags);
  if (data !== undefined) {
    bytes.set(data, headerBytes);
  }
  return bytes;
}

/** Cuts bytes into chunks at places that are parts of the whole, from 0 to 1. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => Math.floor(place * bytes.byteLength)), bytes.byteLength];
  ends.sort((one, other) => one - other);
  let at = 0;
  return ends.map((end) => {
    const chunk = bytes.slice(at, end);
    at = end;
    return chunk;
  });
}
