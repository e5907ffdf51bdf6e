/** Buckets of tokens, one token for each call, that fill up steadily. */
export interface TokenBuckets {
  /** Takes a token out of the bucket of that name. Returns how many seconds it takes until there is one; 0 if there was. */
  take(name: string): number;
  /** Seconds until there is a token in the bucket of that name; 0 if there is one. Takes none. */
  wait(name: string): number;
  /**
   * Takes a token for what has happened already, be there one or not. A bucket owes no more than it can hold: those that
   * came at once, before the first of them was charged for, are paid for one after the other.
   */
  charge(name: string): void;
}

/** The size of a bucket, and how fast it fills up. */
export interface TokenRate {
  /** Tokens a second: how many calls there may be in the long run. From 0.001 to 1,000,000. */
  readonly perSecond: number;
  /** Tokens in a full bucket: how many calls there may be at once, after a quiet time. From 1 to 1,000,000,000. */
  readonly burst: number;
}

interface Bucket {
  readonly tokens: number;
  readonly filledAt: number;
}

/** Most buckets by default: some megabytes. */
const defaultMaxBuckets = 50_000;

/**
 * Makes buckets, each of which is full when it is first taken from. One that is full again is forgotten, and when there
 * are too many, the one that was not used for the longest time. That many names don't raise a caller's limit: each
 * starts with a full bucket anyway.
 * @param now A monotonic clock, in milliseconds.
 */
export function createTokenBuckets(
  { perSecond, burst }: TokenRate,
  maxBuckets: number = defaultMaxBuckets,
  now: () => number = () => performance.now(),
): TokenBuckets {
  /** Those that were not used for longest come first. */
  const buckets = new Map<string, Bucket>();
  const fillMs = (tokens: number) => ((burst - tokens) / perSecond) * 1000;

  /** Tokens in a bucket by now. */
  function tokensIn(name: string, time: number): number {
    const { tokens, filledAt } = buckets.get(name) ?? { tokens: burst, filledAt: time };
    return Math.min(burst, tokens + ((time - filledAt) / 1000) * perSecond);
  }

  function put(name: string, tokens: number, time: number) {
    buckets.delete(name);
    buckets.set(name, { tokens, filledAt: time });
    forget(time);
  }

  /** Two for each that may come in, so that those that are full again become ever fewer. */
  function forget(time: number) {
    let looked = 0;
    for (const [name, { tokens, filledAt }] of buckets) {
      if (looked === 2 || (time - filledAt < fillMs(tokens) && buckets.size <= maxBuckets)) {
        return;
      }
      buckets.delete(name);
      looked += 1;
    }
  }

  return {
    take(name) {
      const time = now();
      const tokens = tokensIn(name, time);
      put(name, tokens < 1 ? tokens : tokens - 1, time);
      return tokens < 1 ? (1 - tokens) / perSecond : 0;
    },
    wait(name) {
      const tokens = tokensIn(name, now());
      return tokens < 1 ? (1 - tokens) / perSecond : 0;
    },
    charge(name) {
      const time = now();
      put(name, Math.max(-burst, tokensIn(name, time) - 1), time);
    },
  };
}
