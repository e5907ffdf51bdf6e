/** The messages or envelopes that the chunks of a body are gathered to. */
export interface Boundaries {
  /** The messages of a stream, each in an envelope, or all of the body. */
  readonly kind: "envelopes" | "body";
  /** A longer message is not gathered to its end: Connect is to refuse it. */
  readonly maxMessageBytes: number;
}

/**
 * Gathers the chunks of a body, however small they are. Connect goes through all chunks of a message with each that it
 * gets, so that one mebibyte in chunks of one byte would keep the process for minutes.
 */
export interface GatheredChunks {
  /** Takes a chunk; returns what is whole then. */
  add(chunk: Uint8Array): Uint8Array | undefined;
  /** Returns what there is at the end, whole or not. */
  rest(): Uint8Array | undefined;
}

/** Flags and length of a message, see https://connectrpc.com/docs/protocol/#streaming-rpcs; gRPC has the same. */
const envelopeHeaderBytes = 5;

/** Begins to gather. */
export function gatherChunks(boundaries: Boundaries): GatheredChunks {
  /** The bytes that came in; `held` of them count. It grows with what comes, whatever length is announced. */
  let buffer: Uint8Array = new Uint8Array();
  let held = 0;
  /** The start of the envelope that is not complete yet. */
  let whole = 0;

  function append(chunk: Uint8Array) {
    if (held === 0) {
      // Most come in one piece, which is not copied.
      buffer = chunk;
    } else {
      if (held + chunk.byteLength > buffer.byteLength) {
        const larger = new Uint8Array(Math.max(2 * buffer.byteLength, held + chunk.byteLength));
        larger.set(buffer.subarray(0, held));
        buffer = larger;
      }
      buffer.set(chunk, held);
    }
    held += chunk.byteLength;
  }

  /** Gives away what comes before `end`. */
  function take(end: number): Uint8Array | undefined {
    if (end === 0) {
      return undefined;
    }
    const taken = buffer.subarray(0, end);
    // A copy, as the buffer belongs to who has taken of it.
    buffer = buffer.slice(end, held);
    held -= end;
    whole = 0;
    return taken;
  }

  return {
    add(chunk) {
      append(chunk);
      if (boundaries.kind === "body") {
        return held > boundaries.maxMessageBytes ? take(held) : undefined;
      }
      const view = new DataView(buffer.buffer, buffer.byteOffset, held);
      while (held - whole >= envelopeHeaderBytes) {
        const length = view.getUint32(whole + 1);
        if (length > boundaries.maxMessageBytes) {
          // Connect refuses it by its header.
          return take(held);
        }
        if (held - whole < envelopeHeaderBytes + length) {
          break;
        }
        whole += envelopeHeaderBytes + length;
      }
      return take(whole);
    },
    rest: () => take(held),
  };
}
