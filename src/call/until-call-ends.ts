import { Code, ConnectError } from "@connectrpc/connect";
import { untilAborted } from "../base/async/until-aborted.ts";
import { setDeadlineTimer } from "../base/async/within.ts";
import { timedOut } from "./time/deadline.ts";

/** The signal and the deadline that end a call's waiting. */
export interface CallEnds {
  readonly signal?: AbortSignal | undefined;
  /** Time left until the deadline, in milliseconds; `undefined` without one. */
  readonly timeoutMs?: number | undefined;
  /** Aborted with an error when what the call runs on is closed. */
  readonly closing?: AbortSignal;
}

/** Waits for something, but no longer than a call that needs it may last. */
export async function untilCallEnds<T>(promise: Promise<T>, { signal, timeoutMs, closing }: CallEnds): Promise<T> {
  const ending = new AbortController();
  const onAbort = () => ending.abort(ConnectError.from(signal?.reason, Code.Canceled));
  const onClose = () => ending.abort(closing?.reason);
  const expire = () => ending.abort(timedOut());
  signal?.addEventListener("abort", onAbort);
  closing?.addEventListener("abort", onClose);
  const timer = timeoutMs === undefined ? undefined : setDeadlineTimer(expire, timeoutMs);
  if (signal?.aborted) {
    onAbort();
  }
  if (closing?.aborted) {
    onClose();
  }
  try {
    return await untilAborted(ending.signal, promise);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    closing?.removeEventListener("abort", onClose);
  }
}
