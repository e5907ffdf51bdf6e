import { expect, test, vi } from "vitest";
import { EndedOnce, endIterator, onReturn } from "../../../src/base/async/iterables.ts";

test("a reader that leaves early has its leave run once, even before it has asked for anything", async () => {
  const leave = vi.fn(async () => undefined);
  const onEnd = vi.fn();
  const messages = onReturn(endless(), leave, onEnd);
  const iterator = messages[Symbol.asyncIterator]();
  await iterator.return?.();
  await iterator.return?.();
  expect(leave).toHaveBeenCalledOnce();

  for await (const message of messages) {
    expect(message).toBe(0);
    break;
  }
  expect(leave).toHaveBeenCalledTimes(2);
  expect(onEnd).not.toHaveBeenCalled();
});

test("a reader can leave while it waits for a message", async () => {
  const waiting = Promise.withResolvers<IteratorResult<number>>();
  const source = { [Symbol.asyncIterator]: () => ({ next: () => waiting.promise }) };
  const iterator = onReturn(source, async () => waiting.resolve({ done: true, value: undefined }))[
    Symbol.asyncIterator
  ]();
  const next = iterator.next();
  await iterator.return?.();
  expect(await next).toEqual({ done: true, value: undefined });
});

test("messages that end or fail by themselves are not left", async () => {
  const leave = vi.fn(async () => undefined);
  const onEnd = vi.fn();
  expect(await Array.fromAsync(onReturn(counting(3), leave, onEnd))).toEqual([0, 1, 2]);
  expect(onEnd).toHaveBeenCalledOnce();
  const failing = onReturn(counting(1, new Error("failed")), leave, onEnd);
  await expect(readAll(failing)).rejects.toThrow("failed");
  expect(onEnd).toHaveBeenCalledTimes(2);
  expect(leave).not.toHaveBeenCalled();
});

test("an iterator is ended once, and closed if it can't be told why", async () => {
  const close = vi.fn(async () => ({ done: true, value: undefined }) as const);
  const next = async () => ({ done: false, value: 1 });
  const messages = new EndedOnce({ [Symbol.asyncIterator]: () => ({ next, return: close }) });
  expect(await messages[Symbol.asyncIterator]().next()).toEqual({ done: false, value: 1 });
  endIterator(messages, new Error("told"));
  await messages.return();
  await messages.throw(new Error("again"));
  expect(close).toHaveBeenCalledOnce();
});

/** By a loop, which does not leave what has failed; Array.fromAsync of V8 does. */
async function readAll(messages: AsyncIterable<number>) {
  const read: number[] = [];
  for await (const message of messages) {
    read.push(message);
  }
  return read;
}

async function* counting(upTo: number, error?: Error): AsyncGenerator<number> {
  for (let at = 0; at < upTo; at++) {
    yield at;
  }
  if (error !== undefined) {
    throw error;
  }
}

function endless(): AsyncIterable<number> {
  return counting(Number.POSITIVE_INFINITY);
}
