import { expect, test } from "vitest";
import { createWakeUp } from "../../../src/base/async/wake-up.ts";

test("a loop that waits sees everything, also what comes before it waits", async () => {
  const news = createWakeUp();
  const waiting: number[] = [1];
  news.wake();
  const seen: number[] = [];
  const reading = (async () => {
    while (seen.length < 4) {
      const next = waiting.shift();
      if (next === undefined) {
        await news.woken();
      } else {
        seen.push(next);
      }
    }
  })();
  for (const each of [2, 3, 4]) {
    waiting.push(each);
    news.wake();
    await Promise.resolve();
  }
  await reading;
  expect(seen).toEqual([1, 2, 3, 4]);
});

test("many wake-ups before a wait are one", async () => {
  const news = createWakeUp();
  news.wake();
  news.wake();
  await news.woken();
  let woken = false;
  const second = news.woken().then(() => {
    woken = true;
  });
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  expect(woken).toBe(false);
  news.wake();
  await second;
  expect(woken).toBe(true);
});
