import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

/** Makes all that is mounted read-only, for one command alone, and runs it as a user without rights. */
const isolate = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  "mount --make-rprivate / && mount -o remount,bind,ro / && " +
    'exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"',
  "sh",
] as const;

const [program, ...args] = isolate;
const canIsolate = spawnSync(program, [...args, "true"]).status === 0 || process.env.CI !== undefined;

const lines = readFileSync("examples/container/Dockerfile", "utf8").split("\n");

/** The words of an instruction that has them in JSON. */
function instruction(pattern: RegExp): readonly string[] {
  return JSON.parse(lines.map((line) => pattern.exec(line)?.[1]).find((each) => each !== undefined) ?? "[]");
}

const images = lines.filter((line) => line.startsWith("FROM "));
const secret = "0123456789abcdef0123456789abcdef";

test("the container's images are named by their digests, and it does not run as root", () => {
  expect(images).toHaveLength(2);
  expect(images.filter((line) => !/^FROM \S+@sha256:[0-9a-f]{64}(?: AS \w+)?$/.test(line))).toEqual([]);
  expect(lines).toContain("USER 65534:65534");
});

describe.skipIf(!canIsolate)("the container's command, for which this has to be root on Linux with unshare", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "container-"));
    chmodSync(directory, 0o755);
    mkdirSync(join(directory, "bin"));
    // No one can reach the one that runs this.
    copyFileSync(process.execPath, join(directory, "bin/node"));
    const bundled = spawnSync(process.execPath, ["examples/container/bundle.ts", join(directory, "plugin")]);
    expect(String(bundled.stderr)).toBe("");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const inImage = (word: string) => (word.startsWith("/plugin/") ? join(directory, word) : word);

  test("serves as uid 65534 with nothing to write to, is healthy, and ends when it is told to", async () => {
    const command = instruction(/^CMD (.*)$/).map((word) => inImage(word).replace("0.0.0.0:8080", "0.0.0.0:0"));
    const child = spawn(program, [...args, ...command], {
      cwd: "/",
      env: {
        PATH: `${join(directory, "bin")}:${process.env.PATH}`,
        NOTES_TOKEN: secret,
        HOSTS: "notes.test",
        PROXIES: "127.0.0.1",
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const exited = once(child, "exit");
    const [line] = await Promise.race([once(createInterface(child.stdout), "line"), exited]);
    const port = / listens on tcp:0\.0\.0\.0:(\d+)$/.exec(String(line))?.[1];
    expect(port).toBeDefined();

    expect(readFileSync(`/proc/${child.pid}/status`, "utf8")).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(readFileSync(`/proc/${child.pid}/mountinfo`, "utf8")).toMatch(/^\d+ \d+ \S+ \S+ \/ ro\b/m);
    const add = await fetch(`http://127.0.0.1:${port}/examples.notes.v1.NotesService/Add`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${secret}` },
      body: '{"text":"hi"}',
    });
    expect(add.status).toBe(200);

    const [check = "", ...words] = instruction(/^HEALTHCHECK .* CMD (.*)$/);
    const healthy = (at = "") => {
      const probe = spawn(
        join(directory, "bin", check),
        words.map((word) => word.replace(":8080", `:${at}`)),
      );
      return once(probe, "exit").then(([code]) => code);
    };
    expect(await healthy(port)).toBe(0);
    child.kill("SIGTERM");
    expect((await exited)[0]).toBe(0);
    expect(await healthy(port)).toBe(1);
  });
});
