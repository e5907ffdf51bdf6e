import type { Transport } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { heedDeadline } from "../../../src/client/calls/heed-deadline.ts";
import { callError } from "../../../src/ttrpc/client/errors.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** What a call ends with whose connection is lost so long after it was made. */
function lostAfter(lostMs: number, timeoutMs: number): Promise<unknown> {
  const lose = async (): Promise<never> => {
    vi.advanceTimersByTime(lostMs);
    throw callError("PB-CONNECTION-LOST", "it broke");
  };
  const transport: Transport = heedDeadline({ unary: lose, stream: lose });
  return transport.unary(BehaviourService.method.echo, undefined, timeoutMs, undefined, {}).catch((error) => error);
}

test.each([
  [0, 1],
  [0, 30],
  [44, 50],
  [440, 500],
  [9_940, 10_000],
])("a connection that is lost after %i ms of a call's %i ms is lost", async (lostMs, timeoutMs) => {
  expect(await lostAfter(lostMs, timeoutMs)).toMatchObject({ errorCode: "PB-CONNECTION-LOST" });
});

test.each([
  [46, 50],
  [460, 500],
  [9_960, 10_000],
])("one that is lost after %i ms of a call's %i ms has timed out", async (lostMs, timeoutMs) => {
  expect(await lostAfter(lostMs, timeoutMs)).toMatchObject({ code: Code.DeadlineExceeded });
});
