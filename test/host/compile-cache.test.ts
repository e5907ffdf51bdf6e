import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host } from "plugboard/node";
import { afterAll, expect, test } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";

const files = mkdtempSync(join(realpathSync(tmpdir()), "cache-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));

const command = ["node", "--conditions=plugboard-source", "test/host/fixtures/unruly-plugin.ts"] as const;

/** What a plugin that is loaded with an environment has there as the place of Node's compile cache. */
async function placeOfCache(env: Readonly<Record<string, string>>): Promise<string | undefined> {
  await using host = new Host();
  const loaded = await host.load({ command, env });
  const { html } = await loaded.client(MarkdownService).render({});
  return (JSON.parse(html) as { env: Record<string, string> }).env.NODE_COMPILE_CACHE;
}

test("Node keeps what it compiles of a plugin in a directory that only this user can enter", async () => {
  const place = join(files, "plugboard", "compile-cache");
  expect(await placeOfCache({ XDG_CACHE_HOME: files })).toBe(place);
  expect(statSync(place).mode & 0o777).toBe(0o700);
  expect(readdirSync(place)).not.toEqual([]);
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
  ["others could write to", ["plugboard", "compile-cache"]],
  ["others could put another in place of", []],
])("a directory that %s is not used", async (_, names) => {
  const home = mkdtempSync(join(files, "open-"));
  mkdirSync(join(home, "plugboard", "compile-cache"), { recursive: true });
  chmodSync(join(home, ...names), 0o777);
  expect(await placeOfCache({ XDG_CACHE_HOME: home })).toBeUndefined();
});

test("a plugin starts without a cache where no directory can be made for it", async () => {
  expect(await placeOfCache({ XDG_CACHE_HOME: "/dev/null" })).toBeUndefined();
});
