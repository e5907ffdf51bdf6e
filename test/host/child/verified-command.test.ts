import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadOptions } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { expectNoLeftovers, leftovers } from "../../support/leftovers.ts";

const files = mkdtempSync(join(tmpdir(), "checksum-files-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));
expectNoLeftovers();

let host: Host;
beforeEach(() => {
  host = new Host({ gracePeriodMs: 1_000, retry: false });
});
afterEach(() => host.close());

const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
const other = "0".repeat(64);

/** A script that says by its exit code that it has run, as what, and leaves a note. */
function script(path: string, code: number): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `#!/bin/sh\ntouch ${path}.ran\necho "as $0" >&2\nexit ${code}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function failure(options: LoadOptions) {
  return await host.load({ onOutput() {}, ...options }).then(
    () => "it was loaded",
    (error: unknown) => error,
  );
}

describe("a command with a checksum", () => {
  test("is started if its file has that SHA-256, in whatever case", async () => {
    const command = script(join(files, "right"), 7);
    expect(await failure({ command: [command], sha256: sha256(command).toUpperCase() })).toMatchObject({
      errorCode: "PB-HANDSHAKE-EXITED",
      message: expect.stringContaining("with code 7"),
    });
    expect(existsSync(`${command}.ran`)).toBe(true);
  });

  test("is not started if its file has another", async () => {
    const command = script(join(files, "wrong"), 7);
    expect(await failure({ command: [command], sha256: other })).toMatchObject({
      errorCode: "PB-LAUNCH-CHECKSUM",
      message: expect.stringContaining(`${realpathSync(command)} is ${sha256(command)}`),
    });
    expect(existsSync(`${command}.ran`)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test.each(["", "abc", `${other}0`, "g".repeat(64)])(
    "is not started if the checksum is %j, which is none",
    async (sum) => {
      const command = script(join(files, "none"), 7);
      expect(await failure({ command: [command], sha256: sum })).toMatchObject({ errorCode: "PB-LAUNCH-CHECKSUM" });
      expect(existsSync(`${command}.ran`)).toBe(false);
    },
  );

  test("is looked for in PATH as the launch does, and the file that was checked is started", async () => {
    const [first, second] = [join(files, "path", "a"), join(files, "path", "b")];
    script(join(first, "tool"), 1);
    chmodSync(join(first, "tool"), 0o644);
    const right = script(join(second, "tool"), 2);
    const PATH = `${join(files, "missing")}:${first}:${second}:/usr/bin:/bin`;
    expect(await failure({ command: ["tool"], env: { PATH }, sha256: sha256(right) })).toMatchObject({
      message: expect.stringContaining("with code 2"),
    });
    expect(await failure({ command: ["tool"], env: { PATH }, sha256: other })).toMatchObject({
      message: expect.stringContaining(realpathSync(right)),
    });
  });

  test("may be relative to its working directory, and a link", async () => {
    const target = script(join(files, "links", "target"), 3);
    symlinkSync("target", join(files, "links", "link"));
    const error = await failure({ command: ["./link"], cwd: join(files, "links"), sha256: sha256(target) });
    expect(error).toMatchObject({ message: expect.stringContaining("with code 3") });
    expect(String(error)).toContain(`as ${realpathSync(target)}`);
  });

  test.each([
    ["change it", (place: string) => chmodSync(join(place, "tool"), 0o777)],
    ["put another in its place", (place: string) => chmodSync(place, 0o777)],
  ])("is started as a copy if others could %s", async (_, open) => {
    const place = mkdtempSync(join(files, "open-"));
    const command = script(join(place, "tool"), 5);
    open(place);
    const error = await failure({ command: [command], sha256: sha256(command) });
    expect(error).toMatchObject({ message: expect.stringContaining("with code 5") });
    expect(String(error)).toMatch(/as \S*\/plugboard-\w+\/tool\n/);
    expect(await failure({ command: [command], sha256: other })).toMatchObject({
      errorCode: "PB-LAUNCH-CHECKSUM",
      message: expect.stringContaining(`of ${realpathSync(command)} is`),
    });
    expect(leftovers()).toEqual([]);
  });

  test("a command that is no script is told that it was started by its own name", async () => {
    const shell = realpathSync("/bin/sh");
    const options = { command: ["sh", "-c", 'echo "as $0" >&2; exit 4'], sha256: sha256(shell) } as const;
    expect(String(await failure(options))).toMatch(/with code 4.*as sh\n/s);
  });

  test.each([
    ["is missing", "PB-LAUNCH-NOT-FOUND", "no-such-command-here"],
    ["is not executable", "PB-LAUNCH-NOT-EXECUTABLE", join(files, "not-executable")],
  ])("a command whose file %s is reported as without a checksum", async (_, errorCode, command) => {
    writeFileSync(join(files, "not-executable"), "");
    expect(await failure({ command: [command], sha256: other })).toMatchObject({ errorCode });
    expect(await failure({ command: [command] })).toMatchObject({ errorCode });
  });

  test("can be given up while its file is read", async () => {
    const command = join(files, "large");
    copyFileSync(process.execPath, command);
    const controller = new AbortController();
    const loading = failure({ command: [command], sha256: other, signal: controller.signal });
    controller.abort(new Error("changed my mind"));
    expect(String(await loading)).toContain("changed my mind");
  });
});
