import { connect, definePlugin } from "plugboard";
import { expect, test } from "vitest";

test("a start that was given up and succeeds all the same is stopped again, and what its stop throws ends nothing", async () => {
  const giveUp = new AbortController();
  const starting = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<boolean>();
  const plugin = definePlugin({
    name: "slow",
    version: "1.0.0",
    routes() {},
    start: () => starting.promise,
    stop({ signal }) {
      stopped.resolve(signal.aborted);
      throw new Error("no one hears this");
    },
  });
  const reason = new Error("changed my mind");
  const connecting = connect(plugin, { signal: giveUp.signal });
  giveUp.abort(reason);
  await expect(connecting).rejects.toBe(reason);
  starting.resolve();
  expect(await stopped.promise).toBe(true);
});

test("a start that was given up and fails later is not stopped", async () => {
  const giveUp = new AbortController();
  const starting = Promise.withResolvers<void>();
  const hooks: string[] = [];
  const plugin = definePlugin({
    name: "slow",
    version: "1.0.0",
    routes() {},
    start: () => starting.promise,
    stop: () => void hooks.push("stop"),
  });
  const connecting = connect(plugin, { signal: giveUp.signal });
  giveUp.abort(new Error("changed my mind"));
  await expect(connecting).rejects.toThrow("changed my mind");
  starting.reject(new Error("no database"));
  await expect(starting.promise).rejects.toThrow("no database");
  await new Promise((resolve) => setImmediate(resolve));
  expect(hooks).toEqual([]);
});
