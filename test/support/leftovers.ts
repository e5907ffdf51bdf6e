import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, vi } from "vitest";

/** Gives the tests of a file a temporary directory of their own, and checks after each that nothing is left in it. */
export function expectNoLeftovers() {
  const usual = process.env.TMPDIR;
  const own = mkdtempSync(join(tmpdir(), "host-"));
  beforeAll(() => {
    process.env.TMPDIR = own;
  });
  afterEach(() => vi.waitFor(() => expect(readdirSync(own)).toEqual([]), { timeout: 10_000 }));
  afterAll(() => {
    if (usual === undefined) {
      delete process.env.TMPDIR;
    } else {
      process.env.TMPDIR = usual;
    }
    rmSync(own, { recursive: true, force: true });
  });
}

/** Files that are left now in the temporary directory. */
export function leftovers(): readonly string[] {
  return readdirSync(tmpdir());
}

/** Waits until a process has gone, and its socket and directory with it. */
export async function untilGone(pid: number, ...paths: readonly string[]): Promise<void> {
  await vi.waitFor(
    () => {
      expect(isAlive(pid)).toBe(false);
      expect(paths.filter((path) => existsSync(path))).toEqual([]);
    },
    { timeout: 10_000 },
  );
}

/** True if a process runs; a zombie that was not waited for does not. */
export function isAlive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return /^[^Z]/.test(stdout.trim());
}
