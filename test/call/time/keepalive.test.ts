import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  defaultKeepalive,
  localKeepalive,
  openingTimeoutMs,
  watchLiveness,
  withKeepalive,
} from "../../../src/call/time/keepalive.ts";

describe("watching a connection", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const watched = () => {
    const ping = vi.fn();
    const lost = vi.fn();
    return { ping, lost, liveness: watchLiveness({ pingAfterMs: 30_000, pingTimeoutMs: 10_000 }, ping, lost) };
  };

  test("pings after a silence and reports a peer that does not respond in time", () => {
    const { ping, lost } = watched();
    vi.advanceTimersByTime(29_999);
    expect(ping).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(ping).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(9_999);
    expect(lost).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(lost).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(600_000);
    expect(ping).toHaveBeenCalledOnce();
    expect(lost).toHaveBeenCalledOnce();
  });

  test("pings again after a response, and not once it has stopped", () => {
    const { ping, lost, liveness } = watched();
    vi.advanceTimersByTime(30_000);
    vi.advanceTimersByTime(5_000);
    liveness.heard();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(29_999);
    expect(ping).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(1);
    expect(ping).toHaveBeenCalledTimes(2);
    liveness.stop();
    liveness.heard();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(600_000);
    expect(ping).toHaveBeenCalledTimes(2);
    expect(lost).not.toHaveBeenCalled();
  });

  test("a peer that was lost is watched no more, though it is heard late", () => {
    const { ping, lost, liveness } = watched();
    vi.advanceTimersByTime(40_000);
    expect(lost).toHaveBeenCalledOnce();
    liveness.heard();
    expect(vi.getTimerCount()).toBe(0);
    expect(ping).toHaveBeenCalledOnce();
  });

  test("does not ping a peer that is heard", () => {
    const { ping, liveness } = watched();
    for (let second = 0; second < 120; second++) {
      vi.advanceTimersByTime(1_000);
      liveness.heard();
    }
    expect(ping).not.toHaveBeenCalled();
    vi.advanceTimersByTime(30_000);
    expect(ping).toHaveBeenCalledOnce();
  });

  test("goes on when the peer responds, and pings again after the next silence", () => {
    const { ping, lost, liveness } = watched();
    vi.advanceTimersByTime(31_000);
    liveness.heard();
    vi.advanceTimersByTime(29_999);
    expect(ping).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(10_000);
    expect(ping).toHaveBeenCalledTimes(2);
    expect(lost).not.toHaveBeenCalled();
  });

  test("stops when it is told to", () => {
    const { ping, lost, liveness } = watched();
    vi.advanceTimersByTime(30_000);
    liveness.stop();
    vi.advanceTimersByTime(600_000);
    expect(ping).toHaveBeenCalledOnce();
    expect(lost).not.toHaveBeenCalled();
  });
});

test("a peer may take 20 s for its first word, or less where it may be silent for less", () => {
  expect(openingTimeoutMs(defaultKeepalive)).toBe(20_000);
  expect(openingTimeoutMs(localKeepalive)).toBe(20_000);
  expect(openingTimeoutMs({ pingAfterMs: 50, pingTimeoutMs: 200 })).toBe(250);
});

describe("options", () => {
  test("replace the defaults one by one", () => {
    expect(withKeepalive()).toEqual({ pingAfterMs: 30_000, pingTimeoutMs: 10_000 });
    expect(withKeepalive({ pingTimeoutMs: 5 })).toEqual({ pingAfterMs: 30_000, pingTimeoutMs: 5 });
    expect(withKeepalive({ pingAfterMs: Number.POSITIVE_INFINITY }).pingAfterMs).toBe(Number.POSITIVE_INFINITY);
  });

  test.each<[string, object]>([
    ["keepalive.pingAfterMs is 0", { pingAfterMs: 0 }],
    ["keepalive.pingTimeoutMs is NaN", { pingTimeoutMs: Number.NaN }],
    ['keepalive has no option "pingAfter"', { pingAfter: 1 }],
  ])("are refused: %s", (message, options) => {
    expect(() => withKeepalive(options)).toThrow(message);
  });
});
