/** A bucket of tokens, one for each call, that fills up steadily. */
export interface TokenBucket {
  /** Takes a token. Returns how many seconds it takes until there is one; 0 if this one was there. */
  take(): number;
}

/**
 * Makes a bucket, which is full.
 *
 * rate-limiter-flexible has no such thing: its limiters in memory count calls in windows of fixed length, at whose ends
 * twice the limit gets through, and its main module loads every database that it knows.
 * @param now A monotonic clock, in milliseconds.
 */
export function createTokenBucket(
  perSecond: number,
  capacity: number,
  now: () => number = () => performance.now(),
): TokenBucket {
  let tokens = capacity;
  let filledAt = now();
  return {
    take() {
      const time = now();
      tokens = Math.min(capacity, tokens + ((time - filledAt) / 1000) * perSecond);
      filledAt = time;
      if (tokens < 1) {
        return (1 - tokens) / perSecond;
      }
      tokens -= 1;
      return 0;
    },
  };
}
