import type { CarrierConnection, CarrierReceiver } from "plugboard";

/**
 * Two ends of a connection in memory.
 * @param deliver Runs what reaches the other end: at once, or later.
 */
export function carrierPair(deliver: (run: () => void) => void): readonly [CarrierConnection, CarrierConnection] {
  const receivers: (CarrierReceiver | undefined)[] = [];
  const end = (own: number): CarrierConnection => ({
    wholeFrames: true,
    start(receiver) {
      receivers[own] = receiver;
    },
    send(bytes) {
      deliver(() => receivers[1 - own]?.receive(bytes));
      return true;
    },
    close() {
      deliver(() => receivers[1 - own]?.ended());
    },
    pause() {},
    resume() {},
  });
  return [end(0), end(1)];
}
