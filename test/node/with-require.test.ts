import { expect, test, vi } from "vitest";

const isThere = () => "require" in globalThis;

test("there is a global require while any module is loaded, whichever copy of Plugboard loads it, and then no more", async () => {
  const copies: typeof import("../../src/node/with-require.ts")[] = [];
  for (let copy = 0; copy < 2; copy++) {
    vi.resetModules();
    copies.push(await import("../../src/node/with-require.ts"));
  }
  expect(isThere()).toBe(false);
  const loads = [...copies, ...copies].map(({ withRequire }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { finish: resolve, loaded: withRequire(() => promise) };
  });
  for (const { finish, loaded } of loads) {
    expect(isThere()).toBe(true);
    finish();
    await loaded;
  }
  expect(isThere()).toBe(false);
});
