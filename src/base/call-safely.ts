/**
 * Calls a function of a user's without waiting for its result. What it throws, or what its promise rejects with, goes
 * to `onFailed`: it must end neither the process nor what it was called for.
 */
export function callSafely(call: () => unknown, onFailed: (error: unknown) => void): void {
  try {
    const returned = call();
    // What types forbid, a program without types may do all the same.
    if (returned instanceof Promise) {
      returned.catch(onFailed);
    }
  } catch (error) {
    onFailed(error);
  }
}
