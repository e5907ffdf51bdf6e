import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createIdleTimer } from "../../../src/call/time/idle-timer.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("runs once, when nothing has moved for so long", () => {
  const onIdle = vi.fn();
  const timer = createIdleTimer(1_000, onIdle);
  for (let move = 0; move < 10; move++) {
    vi.advanceTimersByTime(999);
    timer.moved();
  }
  vi.advanceTimersByTime(999);
  expect(onIdle).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onIdle).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(60_000);
  expect(onIdle).toHaveBeenCalledOnce();
});

test("one timer runs, however often something moves, and none once it is stopped", () => {
  const onIdle = vi.fn();
  const timer = createIdleTimer(1_000, onIdle);
  for (let move = 0; move < 100; move++) {
    timer.moved();
    expect(vi.getTimerCount()).toBe(1);
  }
  timer.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(60_000);
  expect(onIdle).not.toHaveBeenCalled();
});
