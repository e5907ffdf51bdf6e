import { untilAborted } from "../../base/async/until-aborted.ts";

/** Values by numeric id, kept until they are taken. A taker may come first: then it waits, for a limited time. */
export interface Mailbox<T> {
  /** Gives a value to who has waited for it longest, else keeps it. Only one is kept of an id: a further one is dropped. */
  put(id: number, value: T): void;
  /**
   * Takes the value of an id.
   * @throws what `expired` makes, if none comes in time; the signal's reason
   */
  take(id: number, signal: AbortSignal): Promise<T>;
}

/** Values that are kept at most: the other side may tell of ids that are never taken. */
const maxKept = 1024;

/** Makes a mailbox in which everything waits so many milliseconds. */
export function createMailbox<T>(waitMs: number, expired: (id: number) => Error): Mailbox<T> {
  const kept = new Map<number, { readonly value: T; readonly until: number }>();
  const asking = new Map<number, Set<(value: T) => void>>();

  let willForget = false;

  /** A value that is not taken must not stay until the next one comes. */
  function forgetLater() {
    if (willForget || kept.size === 0) {
      return;
    }
    willForget = true;
    setTimeout(() => {
      willForget = false;
      forgetExpired();
      forgetLater();
    }, waitMs).unref();
  }

  function forgetExpired() {
    const now = performance.now();
    // In the order in which they came.
    for (const [id, { until }] of kept) {
      if (until > now) {
        return;
      }
      kept.delete(id);
    }
  }

  return {
    put(id, value) {
      for (const resolve of asking.get(id) ?? []) {
        resolve(value);
        return;
      }
      forgetExpired();
      if (!kept.has(id) && kept.size < maxKept) {
        kept.set(id, { value, until: performance.now() + waitMs });
        forgetLater();
      }
    },
    async take(id, signal) {
      signal.throwIfAborted();
      forgetExpired();
      const known = kept.get(id);
      if (known !== undefined) {
        kept.delete(id);
        return known.value;
      }
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const timer = setTimeout(() => reject(expired(id)), waitMs);
      const ofId = asking.get(id) ?? new Set();
      asking.set(id, ofId);
      const leave = () => {
        ofId.delete(take);
        if (ofId.size === 0 && asking.get(id) === ofId) {
          asking.delete(id);
        }
      };
      const take = (value: T) => {
        leave();
        resolve(value);
      };
      ofId.add(take);
      try {
        return await untilAborted(signal, promise);
      } finally {
        clearTimeout(timer);
        leave();
      }
    },
  };
}
