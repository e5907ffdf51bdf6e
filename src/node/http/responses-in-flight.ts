import type { EventEmitter } from "node:events";
import type { HttpHandler } from "./adapter.ts";

/** A handler whose responses can be waited for. */
export interface CountedHandler {
  readonly handle: HttpHandler;
  /** Counts a response that is handled elsewhere, until it has closed. */
  count(response: EventEmitter): void;
  /** Settles when no response is on its way. */
  idle(): Promise<void>;
}

/** Counts the responses that are on their way. */
export function countResponses(handle: HttpHandler): CountedHandler {
  const responses = new Set<unknown>();
  const waiting = new Set<() => void>();
  function count(response: EventEmitter) {
    responses.add(response);
    response.once("close", () => {
      responses.delete(response);
      if (responses.size === 0) {
        for (const resolve of waiting) {
          resolve();
        }
      }
    });
  }

  return {
    handle(request, response) {
      count(response);
      handle(request, response);
    },
    count,
    idle: () => (responses.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => waiting.add(resolve))),
  };
}
