import type { ContextValues, Interceptor } from "@connectrpc/connect";
import { createContextKey, createContextValues } from "@connectrpc/connect";
import { isPlugboardError } from "../plugin/errors.ts";

/** What is known of one attempt at a call, on one route. */
export interface Attempt {
  /** Whether the call got past dialing, so that it must not be made again. */
  reached: boolean;
}

const attemptKey = createContextKey<Attempt | undefined>(undefined, { description: "plugboard attempt" });

/** The caller's context values, with the attempt beside them; the caller may use the same values for several calls. */
export function withAttempt(values: ContextValues | undefined, attempt: Attempt): ContextValues {
  const own = values ?? createContextValues();
  const all: ContextValues = {
    get: (key) => (key.id === attemptKey.id ? (attempt as never) : own.get(key)),
    set(key, value) {
      own.set(key, value);
      return all;
    },
    delete(key) {
      own.delete(key);
      return all;
    },
  };
  return all;
}

/**
 * Notes that a call got past dialing. It stands inside the caller's interceptors: what those make of the outcome, or
 * fail with themselves, does not change that.
 */
export const noteReached: Interceptor = (next) => async (request) => {
  const attempt = request.contextValues.get(attemptKey);
  try {
    const response = await next(request);
    if (attempt !== undefined) {
      attempt.reached = true;
    }
    return response;
  } catch (error) {
    if (attempt !== undefined && !isPlugboardError(error, "PB-DIAL-FAILED")) {
      attempt.reached = true;
    }
    throw error;
  }
};
