import type { HttpHandler } from "./adapter.ts";

/** A handler whose answers can be waited for. */
export interface CountedHandler {
  readonly handle: HttpHandler;
  /** Settles when no answer is on its way. */
  idle(): Promise<void>;
}

/** Counts the answers that are on their way. */
export function countAnswers(handle: HttpHandler): CountedHandler {
  const answers = new Set<unknown>();
  const waiting = new Set<() => void>();
  return {
    handle(request, response) {
      answers.add(response);
      response.once("close", () => {
        answers.delete(response);
        if (answers.size === 0) {
          for (const resolve of waiting) {
            resolve();
          }
        }
      });
      handle(request, response);
    },
    idle: () => (answers.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => waiting.add(resolve))),
  };
}
