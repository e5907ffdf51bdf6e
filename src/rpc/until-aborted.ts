import { getAbortSignalReason } from "@connectrpc/connect/protocol";

/** Waits for the promise, but no longer than until the signal is aborted; then rejects with the signal's reason. */
export async function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(getAbortSignalReason(signal));
  if (signal.aborted) {
    onAbort();
  }
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
