import type * as http from "node:http";
import * as http2 from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { setDeadlineTimer } from "../../base/within.ts";

type Answer = http.ServerResponse | http2.Http2ServerResponse;

/**
 * Breaks an answer off that has been said in full and whose caller does not take it.
 * @param timeoutMs How long it may take, in milliseconds. Default: for ever.
 */
export function breakOffUnread(answer: Answer, timeoutMs: number | undefined): void {
  if (timeoutMs === undefined) {
    return;
  }
  const timer = setDeadlineTimer(() => breakOff(answer), timeoutMs);
  answer.once("close", () => clearTimeout(timer));
}

/**
 * Follows the body of an answer on its way to the caller. It ends when there is nobody any more to say it to: Connect waits
 * for a stream that is full to have room again, and Node tells of none if the stream is closed in the same turn that has
 * made the room. And it breaks off when the caller takes nothing of it for so long, in milliseconds.
 * @param onEnd Called when all of the body is there, before its trailers leave.
 */
export function followBody(
  response: UniversalServerResponse,
  answer: Answer,
  timeoutMs: number | undefined,
  onEnd: () => void,
): UniversalServerResponse {
  const { body } = response;
  if (body === undefined || body === null) {
    onEnd();
    return response;
  }
  const iterator = body[Symbol.asyncIterator]();
  let closed = false;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  answer.once("close", () => {
    closed = true;
    clearTimeout(waiting);
    iterator.return?.().catch(() => undefined);
  });
  const followed = {
    async next() {
      // What was given before has been taken.
      clearTimeout(waiting);
      const result = await iterator.next();
      if (result.done === true) {
        onEnd();
      }
      if (timeoutMs !== undefined && !closed) {
        waiting = setDeadlineTimer(() => breakOff(answer), timeoutMs);
      }
      return result;
    },
    return: async () => (await iterator.return?.()) ?? { done: true as const, value: undefined },
    throw: async (error: unknown) => (await iterator.throw?.(error)) ?? { done: true as const, value: undefined },
  };
  return { ...response, body: { [Symbol.asyncIterator]: () => followed } };
}

function breakOff(answer: Answer) {
  if ("stream" in answer) {
    // Not as if it were complete.
    answer.stream.close(http2.constants.NGHTTP2_CANCEL);
  } else {
    answer.destroy();
  }
}
