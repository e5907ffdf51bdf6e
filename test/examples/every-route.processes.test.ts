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
  /** Files that are left in the temporary directory that the program had. */
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

test("npm start renders a file over every route, identically, in a table of at most 100 columns, and says why it skipped others", async () => {
  const file = join(files, "document.md");
  writeFileSync(file, "# Title\n\n| a | b |\n| - | - |\n| ~~1~~ | 2 |\n");
  const { code, stdout, stderr, left } = await start(file);
  const progress = [
    "starting the plugin: in this process",
    "  rendering over memory",
    "starting the plugin: a child process, by its Unix socket",
    "  rendering over unix+ttrpc",
    "  rendering over unix+grpc",
    "  rendering over unix+connect",
    "  rendering over unix+connect (HTTP/1.1)",
    "starting the plugin: a Worker in workerd, by HTTP",
    "  rendering over http+connect",
    "  rendering over http+grpc-web",
    "  rendering over websocket+ttrpc",
  ];
  expect({ code, stderr: stderr.trimEnd().split("\n"), left }).toEqual({ code: 0, stderr: progress, left: [] });

  const routes = progress.flatMap((line) => / rendering over (.*)/.exec(line)?.[1] ?? []);
  const rows = stdout.split("\n").filter((line) => line.endsWith("  yes"));
  expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual(routes);
  expect(stdout).toContain("bidi-streaming: websocket+ttrpc");
  expect(stdout).toMatch(/skipped for bidi-streaming: connect, grpc-web at http:/);
  const [, ...lines] = stdout.split("\n");
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
}, 60_000);

test.each([
  { name: "is missing", content: undefined, message: "there is no file" },
  { name: "is not text", content: Uint8Array.of(0xff, 0xfe, 0), message: "is not text" },
  { name: "has zero bytes", content: "a\0b", message: "is not text" },
  {
    name: "is over the plugin's limit",
    content: "a".repeat(1024 * 1024 + 1),
    message: "the document has more than 1048576 bytes",
  },
  {
    name: "is over every message's limit, too",
    content: "a".repeat(5 * 1024 * 1024),
    message: "the document has more than 1048576 bytes",
  },
])(
  "npm start says so, and exits with 1, if the file $name",
  async ({ content, message }) => {
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
