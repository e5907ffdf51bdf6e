import { Duplex } from "node:stream";

/** A connection's treatment of what it carries: an endless supply of decisions. */
export interface Whims {
  /** In how large a piece the next bytes arrive. */
  readonly pieces: Iterator<number>;
  /** How many turns of the event loop the next piece takes. */
  readonly turns: Iterator<number>;
}

/** Two ends of a connection in memory that cuts, joins and delays what it carries, but keeps its order. */
export function tornPair(whims: Whims): readonly [Duplex, Duplex] {
  const a = new TornEnd(whims);
  const b = new TornEnd(whims);
  a.other = b;
  b.other = a;
  return [a, b];
}

class TornEnd extends Duplex {
  other: TornEnd | undefined;
  readonly #whims: Whims;
  #wanted: (() => void) | undefined;

  constructor(whims: Whims) {
    super({ highWaterMark: 2_000, allowHalfOpen: false });
    this.#whims = whims;
  }

  override _read(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }

  override async _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): Promise<void> {
    let rest = chunk;
    while (rest.byteLength > 0) {
      for (let turn = Number(this.#whims.turns.next().value); turn >= 0; turn--) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      const { other } = this;
      if (other === undefined || other.destroyed) {
        break;
      }
      const piece = rest.subarray(0, Number(this.#whims.pieces.next().value));
      rest = rest.subarray(piece.byteLength);
      if (!other.push(Buffer.from(piece))) {
        await new Promise<void>((resolve) => {
          other.#wanted = resolve;
        });
      }
    }
    callback();
  }

  override _final(callback: () => void): void {
    if (this.other?.destroyed === false) {
      this.other.push(null);
    }
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#wanted?.();
    const { other } = this;
    setImmediate(() => other?.destroy());
    callback(error);
  }
}
