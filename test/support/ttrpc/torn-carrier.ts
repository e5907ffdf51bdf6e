import type { CarrierConnection, CarrierReceiver } from "../../../src/ttrpc/carrier.ts";

/** A carrier's treatment of what it carries: an endless supply of decisions. */
export interface Whims {
  /** In how large a piece the next bytes arrive. */
  readonly pieces: Iterator<number>;
  /** How many turns of the event loop the next piece takes; and whether a sender is asked to wait, if odd. */
  readonly turns: Iterator<number>;
}

/** Two ends of a connection in memory that cuts, joins and delays what it carries, but keeps its order. */
export function tornCarrierPair(whims: Whims): readonly [CarrierConnection, CarrierConnection] {
  const receivers: (CarrierReceiver | undefined)[] = [undefined, undefined];
  let closed = false;

  const end = (own: number): CarrierConnection => {
    const other = 1 - own;
    let waiting = Buffer.alloc(0);
    let delivering = false;
    let paused = false;
    const next = (from: Iterator<number>): number => Number(from.next().value);
    const deliver = async () => {
      delivering = true;
      do {
        // Never in the turn in which it was sent, as nothing that goes over a wire.
        await new Promise((resolve) => setImmediate(resolve));
        for (let turn = next(whims.turns); turn > 0; turn--) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        const piece = waiting.subarray(0, next(whims.pieces));
        waiting = waiting.subarray(piece.byteLength);
        receivers[other]?.receive(new Uint8Array(piece));
      } while (waiting.byteLength > 0 && !closed);
      delivering = false;
      if (paused) {
        paused = false;
        receivers[own]?.drained();
      }
    };
    return {
      wholeFrames: false,
      start(receiver) {
        receivers[own] = receiver;
      },
      send(bytes) {
        waiting = Buffer.concat([waiting, bytes]);
        // Before the delivery, which may be over at once and then says that it goes on.
        paused ||= next(whims.turns) % 2 === 1;
        const takesMore = !paused;
        if (!delivering) {
          void deliver();
        }
        return takesMore;
      },
      close() {
        closed = true;
        setImmediate(() => receivers[other]?.ended());
      },
    };
  };
  return [end(0), end(1)];
}
