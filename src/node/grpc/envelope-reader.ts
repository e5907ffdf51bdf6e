import { Code, ConnectError } from "@connectrpc/connect";
import { longerThanTaken } from "../../call/errors/longer-than-taken.ts";
import { compressedFlag } from "../../http/wire/envelope.ts";

/** Before each message: a byte of flags, and its length in four bytes. */
const prefixBytes = 5;

/** Memory that a message begins with which comes in pieces, in bytes; it grows with what has come. */
const firstBytes = 16 * 1024;

/**
 * Takes messages out of the chunks that they come in. Each gets memory of its own, as chunks hold what belongs to other calls;
 * and no more of it than has come, whatever length its envelope says.
 */
export class EnvelopeReader {
  readonly #maxMessageBytes: number;
  readonly #onMessage: (message: Uint8Array) => void;
  /** The message that comes in pieces, from its prefix on. */
  #partial = new Uint8Array(0);
  #received = 0;
  #needed = prefixBytes;

  /** @param maxMessageBytes Longest message. */
  constructor(maxMessageBytes: number, onMessage: (message: Uint8Array) => void) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#onMessage = onMessage;
  }

  /** True while a part of a message has come. */
  get incomplete(): boolean {
    return this.#received > 0;
  }

  /**
   * Reads a chunk, which it does not keep.
   * @throws ConnectError for a message that is too long, or compressed.
   */
  read(chunk: Uint8Array): void {
    let start = 0;
    while (start < chunk.byteLength) {
      const whole = this.#received === 0 ? this.#wholeAt(chunk, start) : undefined;
      if (whole === undefined) {
        start += this.#collect(chunk, start);
      } else {
        start += prefixBytes + whole.byteLength;
        this.#onMessage(whole);
      }
    }
  }

  #wholeAt(chunk: Uint8Array, start: number): Uint8Array | undefined {
    const payload = start + prefixBytes;
    if (payload > chunk.byteLength) {
      return undefined;
    }
    const end = payload + this.#lengthAt(chunk, start);
    return end > chunk.byteLength ? undefined : new Uint8Array(chunk.subarray(payload, end));
  }

  /** Takes what the message lacks, or its prefix, out of a chunk; tells how much that was. */
  #collect(chunk: Uint8Array, start: number): number {
    const taken = Math.min(this.#needed - this.#received, chunk.byteLength - start);
    this.#makeRoom(this.#received + taken);
    this.#partial.set(chunk.subarray(start, start + taken), this.#received);
    this.#received += taken;
    if (this.#received === prefixBytes && this.#needed === prefixBytes) {
      this.#needed += this.#lengthAt(this.#partial, 0);
    }
    if (this.#received === this.#needed) {
      const message = this.#partial.subarray(prefixBytes);
      this.#partial = new Uint8Array(0);
      this.#received = 0;
      this.#needed = prefixBytes;
      this.#onMessage(message);
    }
    return taken;
  }

  #makeRoom(bytes: number) {
    const held = this.#partial;
    if (bytes > held.byteLength) {
      const room = Math.max(bytes, 2 * held.byteLength, firstBytes);
      this.#partial = new Uint8Array(Math.min(room, this.#needed));
      this.#partial.set(held);
    }
  }

  #lengthAt(bytes: Uint8Array, start: number): number {
    if (((bytes[start] ?? 0) & compressedFlag) !== 0) {
      throw new ConnectError("received compressed envelope, but do not know how to decompress", Code.Internal);
    }
    const length =
      byteAt(bytes, start + 1) * 2 ** 24 +
      (byteAt(bytes, start + 2) << 16) +
      (byteAt(bytes, start + 3) << 8) +
      byteAt(bytes, start + 4);
    if (length > this.#maxMessageBytes) {
      throw longerThanTaken(length, this.#maxMessageBytes);
    }
    return length;
  }
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
