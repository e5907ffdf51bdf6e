import { getAbortSignalReason } from "@connectrpc/connect/protocol";

/** Waits for the promise, but no longer than until the signal is aborted; then rejects with the signal's reason. */
export async function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  if (signal.aborted) {
    // Its result is of no use any more.
    promise.catch(() => undefined);
    throw getAbortSignalReason(signal);
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(getAbortSignalReason(signal));
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
