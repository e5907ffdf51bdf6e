/** Longest piece of a message that travels in chunks, in bytes: other streams of the connection have their turn after it. */
export const pieceBytes = 128 * 1024;

/** Longest message that can be announced, in bytes; protobuf knows no longer ones. */
export const maxAnnouncedBytes = 0x7fffffff;

/** A message of which not all pieces have come yet. */
export interface Assembly {
  /** The announced length, in bytes. */
  readonly length: number;
  /** Bytes that have not come yet. */
  readonly missing: number;
  /** Takes the next piece, which must not be longer than what is missing. */
  add(piece: Uint8Array): void;
  /** The message; to be asked when nothing is missing. */
  whole(): Uint8Array;
}

/** Begins a message. Its memory grows with what comes in: an announcement alone takes none. */
export function createAssembly(length: number): Assembly {
  let bytes = new Uint8Array(0);
  let taken = 0;
  return {
    length,
    get missing() {
      return length - taken;
    },
    add(piece) {
      const needed = taken + piece.byteLength;
      if (needed > bytes.byteLength) {
        const grown = new Uint8Array(Math.min(length, Math.max(needed, 2 * bytes.byteLength)));
        grown.set(bytes);
        bytes = grown;
      }
      bytes.set(piece, taken);
      taken = needed;
    },
    whole: () => bytes,
  };
}
