import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { LoadOptions } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { MarkdownService } from "../../../examples/gen/examples/markdown/v1/markdown_pb.ts";

const files = mkdtempSync(join(realpathSync(tmpdir()), "cache-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));

// The cache of all tests, which vitest.config.ts sets, would be the decision of the user, and so would `npm run coverage`.
beforeAll(() => void vi.stubEnv("NODE_COMPILE_CACHE", undefined).stubEnv("NODE_V8_COVERAGE", undefined));
afterAll(() => void vi.unstubAllEnvs());

const command = ["node", "--conditions=plugboard-source", "test/host/fixtures/unruly-plugin.ts"] as const;

/** The place of Node's compile cache in a plugin that is loaded with an environment. */
async function placeOfCache(
  env: Readonly<Record<string, string>>,
  options: Partial<LoadOptions> = {},
): Promise<string | undefined> {
  await using host = new Host();
  const loaded = await host.load({ command, env, ...options });
  const { html } = await loaded.client(MarkdownService).render({});
  return (JSON.parse(html) as { env: Record<string, string> }).env.NODE_COMPILE_CACHE;
}

test("Node keeps what it compiles of a plugin in a directory that only this user can enter", async () => {
  const place = (await placeOfCache({ XDG_CACHE_HOME: files })) ?? "";
  expect(dirname(place)).toBe(join(files, "plugboard", "compile-cache"));
  expect(statSync(place).mode & 0o777).toBe(0o700);
  expect(readdirSync(place)).not.toEqual([]);
});

test("no plugin writes into the cache of another, and of one command it is the same each time", async () => {
  const env = { XDG_CACHE_HOME: files };
  const copy = resolve("test/host/fixtures/unruly-plugin.ts");
  const [program, flag] = command;
  const places = [
    await placeOfCache(env),
    await placeOfCache(env, { command: [program, flag, copy, "4000"], cwd: process.cwd() }),
    await placeOfCache(env, { command: [program, flag, "--no-warnings", copy] }),
  ];
  expect(places[1]).toBe(places[0]);
  expect(places[2]).toEqual(expect.stringMatching(/compile-cache/));
  expect(places[2]).not.toBe(places[0]);
});

test("a command in which no file is named has no cache: it may be another at each start", async () => {
  const home = join(files, "nameless");
  const shell = ["sh", "-c", `exec ${command.join(" ")}`] as const;
  expect(await placeOfCache({ XDG_CACHE_HOME: home }, { command: shell })).toBeUndefined();
  expect(existsSync(home)).toBe(false);
});

test("a command whose file is checked has no cache, which no one checks, unless its host wants one", async () => {
  const env = { XDG_CACHE_HOME: files };
  const node = realpathSync(process.execPath);
  const checked: Partial<LoadOptions> = {
    command: [node, ...command.slice(1)],
    sha256: createHash("sha256").update(readFileSync(node)).digest("hex"),
  };
  expect(await placeOfCache(env, checked)).toBeUndefined();
  expect(await placeOfCache(env, { ...checked, compileCache: true })).toContain("compile-cache");
  expect(await placeOfCache(env, { compileCache: false })).toBeUndefined();
});

test.each([
  ["another place", { NODE_COMPILE_CACHE: join(files, "own") }, join(files, "own")],
  ["none", { NODE_DISABLE_COMPILE_CACHE: "1" }, undefined],
  ["coverage, which a cache would make less exact", { NODE_V8_COVERAGE: join(files, "coverage") }, undefined],
])("a user who wants %s gets that", async (_, env, place) => {
  const home = join(files, "unused");
  expect(await placeOfCache({ XDG_CACHE_HOME: home, ...env })).toBe(place);
  expect(existsSync(home)).toBe(false);
});

test.each([
  ["others could write to", ["plugboard", "compile-cache", ""]],
  ["others could put another in place of", []],
])("a directory that %s is not used", async (_, names) => {
  const home = mkdtempSync(join(files, "open-"));
  const own = (await placeOfCache({ XDG_CACHE_HOME: home })) ?? "";
  chmodSync(join(home, ...names.map((name) => name || basename(own))), 0o777);
  expect(await placeOfCache({ XDG_CACHE_HOME: home })).toBeUndefined();
});

test("a plugin starts without a cache where no directory can be made for it", async () => {
  expect(await placeOfCache({ XDG_CACHE_HOME: "/dev/null" })).toBeUndefined();
});
