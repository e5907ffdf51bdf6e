import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import type { ErrorCode } from "plugboard";
import { PlugboardError } from "plugboard";
import type { LoadOptions, OutputLine } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";
import { expectNoLeftovers, isAlive, untilGone } from "./leftovers.ts";

const files = mkdtempSync(join(tmpdir(), "host-files-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));
expectNoLeftovers();

const node = ["node", "--conditions=plugboard-source"] as const;
const markdown = [...node, "examples/markdown/serve.ts"] as const;
const unruly = [...node, "test/host/fixtures/unruly-plugin.ts"] as const;
const misbehave = (...words: string[]) => ["node", "test/host/fixtures/misbehave.ts", ...words] as const;

let host: Host;
beforeEach(() => {
  host = new Host({ gracePeriodMs: 1_000 });
});
afterEach(() => host.close());

async function failure(options: LoadOptions): Promise<PlugboardError> {
  const outcome = await host.load({ onOutput() {}, ...options }).then(
    () => "it was loaded",
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(PlugboardError);
  return outcome as PlugboardError;
}

describe("a start that fails", () => {
  const notExecutable = join(files, "not-executable");
  writeFileSync(notExecutable, "#!/bin/sh\n");
  chmodSync(notExecutable, 0o644);

  test.each<[string, ErrorCode, LoadOptions]>([
    ["there is no such command", "PB-LAUNCH-NOT-FOUND", { command: ["no-such-command-here"] }],
    ["the file is not executable", "PB-LAUNCH-NOT-EXECUTABLE", { command: [notExecutable] }],
    ["the command is a directory", "PB-LAUNCH-NOT-EXECUTABLE", { command: [files] }],
    ["there is no such directory", "PB-LAUNCH-DIRECTORY", { command: ["true"], cwd: join(files, "missing") }],
  ])("says so when %s", async (_, code, options) => {
    const error = await failure(options);
    expect(error.errorCode).toBe(code);
    expect(error.hint).not.toBe("");
  });

  test.each<[string, ErrorCode, readonly [string, ...string[]], string]>([
    ["the process exits early", "PB-HANDSHAKE-EXITED", misbehave("exit", "7"), "with code 7"],
    ["the process is killed early", "PB-HANDSHAKE-EXITED", misbehave("signal"), "by SIGKILL"],
    ["the process prints garbage", "PB-HANDSHAKE-INVALID", misbehave("print", "hello, world"), '"hello, world"'],
    ["the line lacks an address", "PB-HANDSHAKE-INVALID", misbehave("print", "1|1|unix||grpc|"), "no address"],
    ["the process prints a megabyte without end of line", "PB-HANDSHAKE-TOO-LONG", misbehave("flood"), "xxxx"],
    ["the core version is another", "PB-HANDSHAKE-CORE-VERSION", misbehave("print", "2|1|unix|/x|grpc|"), "version 2"],
    [
      "nobody listens on the socket",
      "PB-HANDSHAKE-SOCKET",
      misbehave("print", "1|1|unix|/no/such.sock|grpc|"),
      "ENOENT",
    ],
    ["the plugin wants TLS", "PB-HANDSHAKE-UNSUPPORTED", misbehave("print", "1|1|unix|/x|grpc|MIIB"), "with TLS"],
    ["the plugin speaks net/rpc", "PB-HANDSHAKE-UNSUPPORTED", misbehave("print", "1|1|unix|/x|netrpc|"), "netrpc"],
    ["the network is unknown", "PB-HANDSHAKE-UNSUPPORTED", misbehave("print", "1|1|udp|/x|grpc|"), "over udp"],
  ])("says so when %s, and what was printed", async (_, code, command, detail) => {
    const error = await failure({ command });
    expect(error.errorCode).toBe(code);
    expect(error.message).toContain(detail);
    expect(error.hint).not.toBe("");
  });

  test.each(["exit", "print"])("shows stderr without what a terminal would obey (%s)", async (way) => {
    const error = await failure({ command: misbehave(way, way === "exit" ? "1" : "garbage") });
    expect(error.message).toContain("| on stderr");
    expect(error.message).not.toContain("\u001b");
  });

  test("says so when nothing is printed in time", async () => {
    const error = await failure({ command: misbehave("silent"), startTimeoutMs: 500 });
    expect(error.errorCode).toBe("PB-HANDSHAKE-TIMEOUT");
    expect(error.message).toContain("500 ms");
  });

  test("says so when there is no common application protocol version", async () => {
    const error = await failure({ command: unruly, protocolVersions: [7] });
    expect(error.errorCode).toBe("PB-HANDSHAKE-APP-VERSION");
    expect(error.message).toContain("2");
    expect(error.message).toContain("7");
  });

  test("says which key of the configuration is wrong, and quotes no secret", async () => {
    const error = await failure({
      command: markdown,
      config: { maxDocumentBytes: "swordfish" },
      env: { MY_SECRET: "swordfish" },
    });
    expect(error.errorCode).toBe("PB-HANDSHAKE-EXITED");
    expect(error.message).toContain("PB-CONFIG-INVALID");
    expect(error.message).toContain('"maxDocumentBytes"');
    expect(error.message).not.toContain("swordfish");
  });

  test("leaves the host fit to load another", async () => {
    await failure({ command: misbehave("exit", "1") });
    const loaded = await host.load({ command: markdown });
    expect(await loaded.client(MarkdownService).render({ markdown: "# hi" })).toMatchObject({ html: "<h1>hi</h1>" });
  });

  test("can be given up by a signal", async () => {
    const controller = new AbortController();
    const loading = host.load({
      command: misbehave("silent"),
      signal: controller.signal,
      onOutput: () => controller.abort(),
    });
    await expect(loading).rejects.toThrow("aborted");
  });

  test("is given up when the host closes", async () => {
    const started = Promise.withResolvers<void>();
    const loading = failure({ command: misbehave("silent"), onOutput: () => started.resolve() });
    await started.promise;
    await host.close();
    expect((await loading).errorCode).toBe("PB-HOST-CLOSED");
  });
});

describe("a loaded plugin", () => {
  test("ends when it is closed, and when the host is", async () => {
    const [one, two] = await Promise.all([host.load({ command: markdown }), host.load({ command: markdown })]);
    await one.close();
    expect(isAlive(one.pid)).toBe(false);
    expect(await one.exited).toEqual({ code: 0, signal: null });
    expect(await two.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
    await host.close();
    expect(isAlive(two.pid)).toBe(false);
    await expect(host.load({ command: markdown })).rejects.toMatchObject({ errorCode: "PB-HOST-CLOSED" });
  });

  test("gets its configuration and environment, without the variables of the handshake", async () => {
    const loaded = await host.load({ command: unruly, env: { MY_OWN: "value" }, protocolVersions: [1, 3] });
    expect(loaded.manifest).toMatchObject({ name: "unruly", protocolVersion: 3 });
    const { html } = await loaded.client(MarkdownService).render({});
    const { env } = JSON.parse(html) as { env: Record<string, string> };
    expect(env.MY_OWN).toBe("value");
    expect(Object.keys(env).filter((name) => /^(PLUGIN_|PLUGBOARD_)/.test(name))).toEqual([]);
    const limited = await host.load({ command: markdown, config: { maxDocumentBytes: 3 } });
    await expect(limited.client(MarkdownService).render({ markdown: "1234" })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  test("has its output handed on, line by line", async () => {
    const lines: OutputLine[] = [];
    const loaded = await host.load({ command: unruly, onOutput: (line) => lines.push(line) });
    await loaded.client(MarkdownService).render({ markdown: "print" });
    await vi.waitFor(() => {
      expect(lines).toContainEqual({ stream: "stdout", text: "on stdout" });
      expect(lines).toContainEqual({ stream: "stderr", text: "on stderr" });
    });
  });

  test("is reported when it crashes: to calls in flight, to later ones, and by `exited`", async () => {
    const loaded = await host.load({ command: unruly, onOutput() {} });
    const client = loaded.client(MarkdownService);
    await expect(client.render({ markdown: "crash" })).rejects.toThrow();
    expect(await loaded.exited).toEqual({ code: 1, signal: null });
    await vi.waitFor(() => expect(client.render({})).rejects.toMatchObject({ errorCode: "PB-PLUGIN-EXITED" }));
    await expect(client.render({})).rejects.toThrow(/with code 1.*as asked/s);
  });

  test("takes what it has started with it", async () => {
    const loaded = await host.load({ command: unruly });
    const { html } = await loaded.client(MarkdownService).render({ markdown: "grandchild" });
    const grandchild = Number(html);
    expect(isAlive(grandchild)).toBe(true);
    await loaded.close();
    await untilGone(grandchild);
  });

  test("is killed after the grace period if it does not end by itself", async () => {
    const loaded = await host.load({ command: unruly });
    const call = loaded.client(MarkdownService).render({ markdown: "block" });
    call.catch(() => undefined);
    const other = await host.load({ command: markdown });
    await other.close();
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGKILL" });
    await expect(call).rejects.toThrow();
  });
});
