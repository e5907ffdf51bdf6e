import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create } from "@bufbuild/protobuf";
import { afterEach, expect, test, vi } from "vitest";
import { ConnInfoSchema } from "../../../src/gen/plugin/grpc_broker_pb.ts";
import { readAnnouncedAddress } from "../../../src/go-plugin/broker/announced-address.ts";
import { createMailbox } from "../../../src/go-plugin/broker/mailbox.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

afterEach(() => vi.useRealTimers());

test("what no one asks for is let go of when its time is over, also if nothing else comes", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const mailbox = createMailbox<object>(5_000, (id) => new Error(`no one told of ${id}`));
  const refs: WeakRef<object>[] = [];
  const put = (id: number) => {
    const value = { id };
    refs.push(new WeakRef(value));
    mailbox.put(id, value);
  };
  const kept = async () => {
    // A WeakRef holds its target to the end of the turn in which it was made or read.
    await setImmediate();
    collectGarbage();
    return refs.map((ref) => ref.deref() !== undefined);
  };
  put(1);
  await vi.advanceTimersByTimeAsync(3_000);
  put(2);
  expect(await kept()).toEqual([true, true]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await kept()).toEqual([false, false]);
  expect(vi.getTimerCount()).toBe(0);
});

test.each(["unix", "tcp", "x".repeat(1_000_000)])(
  "an address of the other side that is much too long is kept as an error, and not itself, over %.5s",
  (network) => {
    const kept = readAnnouncedAddress(create(ConnInfoSchema, { network, address: `/${"a".repeat(5_000_000)}` }));
    expect(kept).toMatchObject({ errorCode: "PB-BROKER-ADDRESS" });
    expect(JSON.stringify(kept).length + String(kept).length).toBeLessThan(2_000);
  },
);
