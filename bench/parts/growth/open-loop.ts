/** Latencies of calls, in milliseconds. */
export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** More calls than this in flight: it can't keep up. */
const mostInFlight = 20_000;

/**
 * Makes calls at a fixed rate, whether those before have ended or not. The latency of a call counts from when it was meant to begin, so
 * that a pause holds up every call that it delays, and not only the one that was in flight.
 */
export async function driveOpenLoop(
  call: () => Promise<unknown>,
  rate: number,
  milliseconds: number,
): Promise<Latencies> {
  const count = Math.ceil((rate * milliseconds) / 1000);
  const latencies = new Float64Array(count);
  const start = performance.now() + 1;
  let begun = 0;
  let ended = 0;
  await new Promise<void>((resolve, reject) => {
    const begin = (index: number) => {
      const meant = start + (index * 1000) / rate;
      call().then(() => {
        latencies[index] = performance.now() - meant;
        ended += 1;
        if (ended === count) {
          resolve();
        }
      }, reject);
    };
    const turn = () => {
      const due = Math.min(count, Math.floor(((performance.now() - start) * rate) / 1000) + 1);
      for (; begun < due; begun++) {
        begin(begun);
      }
      if (begun - ended > mostInFlight) {
        reject(new Error(`it can't keep up with ${rate} calls/s`));
      } else if (begun < count) {
        setImmediate(turn);
      }
    };
    turn();
  });
  latencies.sort();
  return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), p999: quantile(latencies, 0.999) };
}

/** The least value that so large a part is not above. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}
