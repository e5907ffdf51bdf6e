import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const files = mkdtempSync(join(tmpdir(), "every-route-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What is left in the temporary directory that the program had. */
  readonly left: readonly string[];
}

/** Runs what `npm start` runs. */
async function start(file: string): Promise<Outcome> {
  const own = mkdtempSync(join(files, "tmp-"));
  const args = ["--conditions=plugboard-source", "examples/markdown/every-route.ts", file];
  const outcome = await promisify(execFile)("node", args, { env: { ...process.env, TMPDIR: own } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Omit<Outcome, "left">) => error,
  );
  return { code: outcome.code, stdout: outcome.stdout, stderr: outcome.stderr, left: readdirSync(own) };
}

test("renders a file over every route, identically, and says why it skipped others", async () => {
  const file = join(files, "document.md");
  writeFileSync(file, "# Title\n\n| a | b |\n| - | - |\n| ~~1~~ | 2 |\n");
  const { code, stdout, stderr, left } = await start(file);
  const routes = [
    "memory",
    "unix+ttrpc",
    "unix+grpc",
    "unix+connect",
    "unix+connect (HTTP/1.1)",
    "http+connect",
    "http+grpc-web",
    "websocket+ttrpc",
  ];
  const progress = routes.map((route) => `rendering over ${route}\n`).join("");
  expect({ code, stderr, left }).toEqual({ code: 0, stderr: progress, left: [] });
  const rows = stdout.split("\n").filter((line) => line.endsWith("  yes"));
  expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual(routes);
  expect(stdout).toContain("bidi-streaming: websocket+ttrpc");
  expect(stdout).toMatch(/skipped for bidi-streaming: connect, grpc-web at http:/);
}, 60_000);

test.each<[string, string | Uint8Array | undefined, string]>([
  ["is missing", undefined, "there is no file"],
  ["is not text", Uint8Array.of(0xff, 0xfe, 0), "is not text"],
  ["has zero bytes", "a\0b", "is not text"],
  ["is over the plugin's limit", "a".repeat(1024 * 1024 + 1), "the document has more than 1048576 bytes"],
  ["is over every message's limit, too", "a".repeat(5 * 1024 * 1024), "the document has more than 1048576 bytes"],
])(
  "says so, and exits with 1, if the file %s",
  async (_, content, message) => {
    const file = join(files, "bad.md");
    rmSync(file, { force: true });
    if (content !== undefined) {
      writeFileSync(file, content);
    }
    const { code, stdout, stderr, left } = await start(file);
    expect({ code, stdout, left }).toEqual({ code: 1, stdout: "", left: [] });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
  },
  60_000,
);
