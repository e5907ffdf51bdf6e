/** Wakes one loop that waits for something new. */
export interface WakeUp {
  wake(): void;
  /** Settles at the next `wake`; at once if there was one since the last wait. For one waiter at a time. */
  woken(): Promise<void>;
}

/** Makes a wake-up for a loop that looks, waits and looks again. What comes while it does not wait is not missed. */
export function createWakeUp(): WakeUp {
  let missed = false;
  let resolve: (() => void) | undefined;
  return {
    wake() {
      if (resolve === undefined) {
        missed = true;
      } else {
        resolve();
        resolve = undefined;
      }
    },
    woken() {
      if (missed) {
        missed = false;
        return Promise.resolve();
      }
      return new Promise((onWake) => {
        resolve = onWake;
      });
    },
  };
}
