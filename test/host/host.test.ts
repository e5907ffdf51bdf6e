import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { inspect } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorCode, Requirements } from "plugboard";
import { PlugboardError } from "plugboard";
import type { LoadedPlugin, LoadOptions, OutputLine } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { expectNoLeftovers, isAlive, leftovers, untilGone } from "../support/leftovers.ts";
import { startStandalone } from "../support/standalone.ts";

const files = mkdtempSync(join(tmpdir(), "host-files-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));
expectNoLeftovers();

const node = ["node", "--conditions=plugboard-source"] as const;
const markdown = [...node, "examples/markdown/serve.ts"] as const;
const behaviour = [...node, "test/behaviour/serve.ts"] as const;
const unruly = [...node, "test/host/fixtures/unruly-plugin.ts"] as const;
const misbehave = (...words: string[]) => ["node", "test/host/fixtures/misbehave.ts", ...words] as const;

let host: Host;
beforeEach(() => {
  host = new Host({ gracePeriodMs: 1_000, retry: false });
});
afterEach(() => host.close());

let failures = 0;

/**
 * Loads what can't be loaded, hands its error on, and checks what goes for every failure: no secret is in the error, and
 * no process and no directory is left.
 */
async function failure(options: LoadOptions): Promise<PlugboardError> {
  const pidFile = join(files, `pids-${failures++}`);
  const outcome = await host
    .load({
      onOutput() {},
      config: {},
      ...options,
      env: { MY_SECRET: "swordfish", PID_FILE: pidFile, ...options.env },
    })
    .then(
      () => "it was loaded",
      (error: unknown) => error,
    );
  expect(outcome).toBeInstanceOf(PlugboardError);
  expect(inspect(outcome, { depth: 10 })).not.toContain("swordfish");
  expect((outcome as PlugboardError).hint).not.toBe("");
  const pids = existsSync(pidFile) ? readFileSync(pidFile, "utf8").trim().split("\n").map(Number) : [];
  await Promise.all(pids.map((pid) => untilGone(pid)));
  return outcome as PlugboardError;
}

/** The socket of a plugin that was loaded. */
function socketOf(loaded: LoadedPlugin): string {
  return (loaded.routes.unary.routes[0]?.endpoint.address.text ?? "").slice("unix:".length);
}

describe("a listener of output", () => {
  test("a listener that throws, or rejects, gets every line once, and ends nothing", async () => {
    const lines: string[] = [];
    const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
    try {
      const loaded = await host.load({
        command: unruly,
        onOutput({ text }): void {
          lines.push(text);
          throw new Error("as asked");
        },
      });
      await loaded.client(MarkdownService).render({ markdown: "print" });
      await loaded.close();
      expect(lines.filter((line) => line === "on stderr")).toHaveLength(1);
      expect(lines).toContain("the end");
      expect(logged.mock.calls.filter(([text]) => String(text).includes("onOutput threw"))).toHaveLength(1);
    } finally {
      logged.mockRestore();
    }
  });
});

describe("what no one takes of the output", () => {
  test("goes to the host's stderr after the plugin's name, without what a terminal would obey", async () => {
    expect(await writtenBy(misbehave("exit"))).toContain("misbehave.ts: on stderr\n");
  });

  test("has the name of the script, and not of what Node is told to load before it", async () => {
    const [program, ...args] = misbehave("exit");
    const command = [program, "--import", "node:path", "-r", "node:url", ...args] as const;
    expect(await writtenBy(command)).toContain("misbehave.ts: on stderr\n");
  });

  async function writtenBy(command: LoadOptions["command"]): Promise<readonly string[]> {
    const written: string[] = [];
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
    try {
      await host.load({ command }).catch(() => undefined);
    } finally {
      stderr.mockRestore();
    }
    return written;
  }
});

describe("a start that fails", () => {
  const file = (name: string, content: string, mode: number) => {
    const path = join(files, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };
  const notExecutable = file("not-executable", "#!/bin/sh\n", 0o644);
  const noInterpreter = file("no-interpreter", "#!/no/such/interpreter\n", 0o755);
  const missing = join(files, "missing");

  test.each<[string, { code: ErrorCode; options: LoadOptions; detail: string }]>([
    [
      "there is no such command",
      { code: "PB-LAUNCH-NOT-FOUND", options: { command: ["no-such-command-here"] }, detail: "no-such-command-here" },
    ],
    ["there is no such file", { code: "PB-LAUNCH-NOT-FOUND", options: { command: [missing] }, detail: missing }],
    [
      "the file is not executable",
      { code: "PB-LAUNCH-NOT-EXECUTABLE", options: { command: [notExecutable] }, detail: notExecutable },
    ],
    // It is there: who reads that there is no such command looks for a misspelling.
    [
      "the file's interpreter is missing",
      { code: "PB-LAUNCH-NOT-EXECUTABLE", options: { command: [noInterpreter] }, detail: noInterpreter },
    ],
    ["the command is a directory", { code: "PB-LAUNCH-NOT-EXECUTABLE", options: { command: [files] }, detail: files }],
    [
      "there is no such directory",
      { code: "PB-LAUNCH-DIRECTORY", options: { command: ["true"], cwd: missing }, detail: missing },
    ],
    [
      "the working directory is a file",
      { code: "PB-LAUNCH-DIRECTORY", options: { command: ["true"], cwd: notExecutable }, detail: notExecutable },
    ],
    ["there is no command", { code: "PB-LAUNCH-OPTION", options: JSON.parse("{}"), detail: "command" }],
    [
      "the command is a text",
      { code: "PB-LAUNCH-OPTION", options: JSON.parse('{"command":"true"}'), detail: "command" },
    ],
    [
      "a variable is a number",
      { code: "PB-LAUNCH-OPTION", options: JSON.parse('{"command":["true"],"env":{"A":5}}'), detail: "env" },
    ],
    [
      "the directory is a list",
      { code: "PB-LAUNCH-OPTION", options: JSON.parse('{"command":["true"],"cwd":[]}'), detail: "cwd" },
    ],
    ["the command is empty", { code: "PB-LAUNCH-FAILED", options: { command: [""] }, detail: "" }],
    [
      "the environment can't be passed",
      { code: "PB-LAUNCH-FAILED", options: { command: ["true"], env: { BAD: "swordfish\0" } }, detail: "BAD" },
    ],
  ])("says so when %s", async (_, { code, options, detail }) => {
    const error = await failure({ config: { password: "swordfish" }, ...options });
    expect(error.errorCode).toBe(code);
    expect(error.message).toContain(detail);
    expect(leftovers()).toEqual([]);
  });

  test("does not say that a process printed nothing that printed one line", async () => {
    const error = await failure({ command: ["echo", "hello"] });
    expect(error.rawMessage).toBe(
      `PB-HANDSHAKE-INVALID: the first line on stdout is not a handshake: "hello"\n${error.hint}`,
    );
    expect((await failure({ command: ["true"] })).message).toContain("with code 0; it printed nothing");
  });

  test("tells of serve(plugin) when the command ran to its end, as a module does that only defines a plugin", async () => {
    expect((await failure({ command: misbehave("exit", "0") })).hint).toContain("serve(plugin)");
    expect((await failure({ command: misbehave("exit", "7") })).hint).toContain("Run the command by hand");
  });

  const broken: readonly {
    readonly fault: string;
    readonly code: ErrorCode;
    readonly command: readonly [string, ...string[]];
    readonly detail: string;
  }[] = [
    {
      fault: "the process exits early",
      code: "PB-HANDSHAKE-EXITED",
      command: misbehave("exit", "7"),
      detail: "with code 7",
    },
    {
      fault: "the process exits early with 0",
      code: "PB-HANDSHAKE-EXITED",
      command: misbehave("exit", "0"),
      detail: "with code 0",
    },
    {
      fault: "the process is killed early",
      code: "PB-HANDSHAKE-EXITED",
      command: misbehave("signal"),
      detail: "by SIGKILL",
    },
    {
      fault: "the process exits in the middle of its handshake",
      code: "PB-HANDSHAKE-EXITED",
      command: misbehave("unfinished", "1|1|unix|/x"),
      detail: "| 1|1|unix|/x",
    },
    {
      fault: "the process prints garbage",
      code: "PB-HANDSHAKE-INVALID",
      command: misbehave("print", "hello, world"),
      detail: '"hello, world"',
    },
    {
      fault: "the process prints an empty line",
      code: "PB-HANDSHAKE-INVALID",
      command: misbehave("print", ""),
      detail: '""',
    },
    {
      fault: "the line lacks an address",
      code: "PB-HANDSHAKE-INVALID",
      command: misbehave("print", "1|1|unix||grpc|"),
      detail: "no address",
    },
    {
      fault: "the address is none",
      code: "PB-HANDSHAKE-INVALID",
      command: misbehave("print", "1|1|tcp|nowhere|grpc|"),
      detail: "nowhere",
    },
    {
      fault: "the process prints a megabyte without end of line",
      code: "PB-HANDSHAKE-TOO-LONG",
      command: misbehave("flood"),
      detail: "xxxx",
    },
    {
      fault: "the core version is another",
      code: "PB-HANDSHAKE-CORE-VERSION",
      command: misbehave("print", "2|1|unix|/x|grpc|"),
      detail: "version 2",
    },
    {
      fault: "the socket is missing",
      code: "PB-HANDSHAKE-SOCKET",
      command: misbehave("print", "1|1|unix|/no/such.sock|grpc|"),
      detail: "ENOENT",
    },
    {
      fault: "the plugin has a certificate that no one asked for",
      code: "PB-HANDSHAKE-CERTIFICATE-UNASKED",
      command: misbehave("print", "1|1|unix|/x|grpc|MIIB"),
      detail: "did not ask for",
    },
    {
      fault: "the plugin speaks net/rpc",
      code: "PB-HANDSHAKE-UNSUPPORTED",
      command: misbehave("print", "1|1|unix|/x|netrpc|"),
      detail: "netrpc",
    },
    {
      fault: "the plugin names no protocol",
      code: "PB-HANDSHAKE-UNSUPPORTED",
      command: misbehave("print", "1|1|unix|/x"),
      detail: "netrpc",
    },
    {
      fault: "the network is unknown",
      code: "PB-HANDSHAKE-UNSUPPORTED",
      command: misbehave("print", "1|1|udp|/x|grpc|"),
      detail: "over udp",
    },
    {
      fault: "TCP leads elsewhere",
      code: "PB-HANDSHAKE-UNSUPPORTED",
      command: misbehave("print", "1|1|tcp|192.0.2.1:4|grpc|"),
      detail: "192.0.2.1:4",
    },
  ];

  test.each(broken)("says so when $fault, and leaves nothing", async ({ code, command, detail }) => {
    const error = await failure({ command, config: { password: "swordfish" } });
    expect(error.errorCode).toBe(code);
    expect(error.message).toContain(detail);
    expect(leftovers()).toEqual([]);
  });

  test("says so when no one listens on the socket any more", async () => {
    const socket = join(files, "dead.sock");
    const plugin = await startStandalone(markdown, `unix:${socket}`);
    await plugin.stop("SIGKILL");
    const error = await failure({ command: misbehave("print", `1|1|unix|${socket}|grpc|`) });
    expect(error.errorCode).toBe("PB-HANDSHAKE-SOCKET");
    expect(error.message).toContain("ECONNREFUSED");
  });

  test.each(
    // It prints so much on stdout that nothing else is kept.
    broken.filter(({ code }) => code !== "PB-HANDSHAKE-TOO-LONG"),
  )("shows what was printed on stderr when $fault", async ({ code, command }) => {
    const error = await failure({ command });
    expect(error.errorCode).toBe(code);
    expect(error.message).toContain("  | on stderr");
  });

  test.each<[string, string]>([
    ["stderr of a process that exits", "exit"],
    ["a line that is no handshake", "\u001b[31mgarbage\u009b31m"],
    ["the core version", "\u001b[31m2|1|unix|/x|grpc|"],
    ["the network", "1|1|\u001b[31mudp\u009b31m|/x|grpc|"],
    ["the address", "1|1|unix|/\u001b[31mx\u009b31m|grpc|"],
    ["the protocol", "1|1|unix|/x|\u001b[31mgrpc\u009b31m|"],
  ])("shows nothing that a terminal would obey, from %s", async (_, line) => {
    const error = await failure({ command: line === "exit" ? misbehave("exit", "1") : misbehave("print", line) });
    expect(error.message).not.toMatch(/[^\P{Cc}\n\t]/u);
  });

  test("says so when nothing is printed in time", async () => {
    const error = await failure({ command: misbehave("silent"), startTimeoutMs: 500 });
    expect(error.errorCode).toBe("PB-HANDSHAKE-TIMEOUT");
    expect(error.message).toContain("no handshake within 500 ms");
    expect(leftovers()).toEqual([]);
  });

  test("says so when the plugin does not respond in time after its handshake", async () => {
    const error = await failure({ command: misbehave("mute"), startTimeoutMs: 1_000 });
    expect(error.errorCode).toBe("PB-HANDSHAKE-TIMEOUT");
    expect(error.message).toContain("no first response within 1000 ms");
    expect(error.message).toContain("| on stderr");
    expect(leftovers()).toEqual([]);
  });

  test("ends also a process that does not heed SIGTERM", async () => {
    const error = await failure({ command: misbehave("deaf"), startTimeoutMs: 500 });
    expect(error.errorCode).toBe("PB-HANDSHAKE-TIMEOUT");
    expect(leftovers()).toEqual([]);
  });

  test("says so when there is no common application protocol version", async () => {
    const error = await failure({ command: unruly, protocolVersions: [7] });
    expect(error.errorCode).toBe("PB-HANDSHAKE-APP-VERSION");
    expect(error.message).toMatch(/version 2, the host 7/);
    expect(leftovers()).toEqual([]);
  });

  test("says which key of the configuration is wrong, and quotes no secret", async () => {
    const error = await failure({ command: markdown, config: { maxDocumentBytes: "swordfish" } });
    expect(error.errorCode).toBe("PB-HANDSHAKE-EXITED");
    expect(error.message).toContain("PB-CONFIG-INVALID");
    expect(error.message).toContain('"maxDocumentBytes"');
    expect(leftovers()).toEqual([]);
  });

  test.each([
    ["missing", 'import "./no-such-module.ts";', "no-such-module"],
    ["misspelt", "const const = 1;", "SyntaxError"],
  ])("says at once, by a code, when a module is %s", async (_, program, named) => {
    const file = join(files, `broken-${failures++}.mts`);
    writeFileSync(file, program);
    let starts = 0;
    // This host would try again.
    await using retrying = new Host();
    const command = ["sh", "-c", `echo started >&2; exec node ${file}`] as const;
    const onOutput = ({ text }: OutputLine) => {
      starts += text === "started" ? 1 : 0;
    };
    const error: unknown = await retrying.load({ command, onOutput }).catch((each: unknown) => each);
    expect(error).toMatchObject({
      errorCode: "PB-HANDSHAKE-EXITED",
      hint: "Correct what the plugin says is wrong, then load it again.",
      cause: { errorCode: "PB-PLUGIN-MODULE", message: expect.stringContaining(named) },
    });
    expect(starts).toBe(1);
  });

  test("says so when the configuration contains itself", async () => {
    const config: Record<string, unknown> = { password: "swordfish" };
    config.self = config;
    const error = await failure({ command: markdown, config: config as LoadOptions["config"] & object });
    expect(error.errorCode).toBe("PB-CONFIG-INVALID");
    expect(leftovers()).toEqual([]);
  });

  test("says so when there is no temporary directory to put the socket in", async () => {
    const usual = process.env.TMPDIR;
    process.env.TMPDIR = missing;
    try {
      const error = await failure({ command: markdown });
      expect(error.errorCode).toBe("PB-SOCKET-DIRECTORY");
      expect(error.message).toContain(missing);
    } finally {
      process.env.TMPDIR = usual;
    }
  });

  test("says so when others could put another socket's directory in place of the plugin's", async () => {
    const usual = process.env.TMPDIR;
    const open = join(files, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    process.env.TMPDIR = open;
    try {
      const error = await failure({ command: markdown });
      expect(error.errorCode).toBe("PB-SOCKET-DIRECTORY");
      expect(error.hint).toContain("sticky");
      chmodSync(open, 0o1777);
      expect((await host.load({ command: markdown })).manifest?.name).toBe("markdown");
    } finally {
      process.env.TMPDIR = usual;
    }
  });

  test("finds a plugin that names its socket relative to a working directory of its own", async () => {
    const cwd = join(files, "elsewhere");
    mkdirSync(cwd);
    const [program, flag, script] = markdown;
    const loaded = await host.load({
      command: [program, flag, resolve(script), "--listen", "unix:./own.sock"],
      cwd,
    });
    expect(loaded.manifest?.name).toBe("markdown");
    expect(loaded.routes.unary.routes[0]?.endpoint.address.text).toBe(`unix:${join(realpathSync(cwd), "own.sock")}`);
    await loaded.close();
  });

  test.each(["a|b", "a\nb"])(
    "says so when the temporary directory is %j, which no handshake can name",
    async (name) => {
      const usual = process.env.TMPDIR;
      const odd = join(files, name);
      mkdirSync(odd);
      process.env.TMPDIR = odd;
      try {
        const error = await failure({ command: markdown });
        expect(error.errorCode).toBe("PB-SOCKET-PATH");
        expect(error.message).toContain(JSON.stringify(odd));
        expect(readdirSync(odd)).toEqual([]);
      } finally {
        process.env.TMPDIR = usual;
      }
    },
  );

  test("says how long a configuration may be when it is too long", async () => {
    const error = await failure({ command: markdown, config: { title: "swordfish".repeat(100_000) } });
    expect(error.errorCode).toBe("PB-LAUNCH-FAILED");
    expect(error.hint).toContain("configuration");
    expect(error.hint).toContain("128 KiB");
    expect(leftovers()).toEqual([]);
  });

  test("leaves the host fit to load others, even if many fail at once", async () => {
    await Promise.all(broken.map(({ command }) => failure({ command })));
    const loaded = await host.load({ command: markdown });
    expect(await loaded.client(MarkdownService).render({ markdown: "# hi" })).toMatchObject({ html: "<h1>hi</h1>" });
  });

  test("can be given up by a signal", async () => {
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const started = Promise.withResolvers<number>();
    const loading = host.load({
      command: misbehave("silent"),
      signal: controller.signal,
      onOutput: ({ text }) => started.resolve(Number(text)),
    });
    const outcome = expect(loading).rejects.toBe(reason);
    const pid = await started.promise;
    controller.abort(reason);
    await outcome;
    expect(isAlive(pid)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test("can be given up by a signal from the first moment on", async () => {
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const command = misbehave("silent");
    const loading = host.load({ command, signal: controller.signal, startTimeoutMs: 1_000, onOutput() {} });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
    await expect(host.load({ command, signal: controller.signal })).rejects.toBe(reason);
    expect(leftovers()).toEqual([]);
  });

  test("is given up when the host closes", async () => {
    const started = Promise.withResolvers<number>();
    const loading = failure({
      command: misbehave("silent"),
      onOutput: ({ text }) => started.resolve(Number(text)),
    });
    const pid = await started.promise;
    await host.close();
    expect((await loading).errorCode).toBe("PB-HOST-CLOSED");
    expect(isAlive(pid)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test.each([
    ["a command that is no plugin", misbehave("silent")],
    ["a plugin", markdown],
  ])("is given up when the host closes before it got to start %s", async (_, command) => {
    const loading = failure({ command, startTimeoutMs: 1_000 });
    await host.close();
    expect((await loading).errorCode).toBe("PB-HOST-CLOSED");
    expect(leftovers()).toEqual([]);
  });
});

describe("a loaded plugin", () => {
  test("ends when it is closed, and when the host is", async () => {
    const [one, two] = await Promise.all([host.load({ command: markdown }), host.load({ command: markdown })]);
    await one.close();
    expect(isAlive(one.pid)).toBe(false);
    expect(leftovers()).toEqual([basename(dirname(socketOf(two)))]);
    expect(await one.exited).toEqual({ code: 0, signal: null });
    expect(await two.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
    await host.close();
    expect(isAlive(two.pid)).toBe(false);
    expect(leftovers()).toEqual([]);
    await host.close();
    await one.close();
    await expect(host.load({ command: markdown })).rejects.toMatchObject({ errorCode: "PB-HOST-CLOSED" });
  });

  test("gets its configuration and environment, without the variables of the handshake", async () => {
    const loaded = await host.load({ command: unruly, env: { MY_OWN: "value" }, protocolVersions: [1, 3] });
    expect(loaded.manifest).toMatchObject({ name: "unruly", protocolVersion: 3 });
    const { html } = await loaded.client(MarkdownService).render({});
    const { env } = JSON.parse(html) as { env: Record<string, string> };
    expect(env.PATH).toBe(process.env.PATH);
    expect(env.MY_OWN).toBe("value");
    expect(Object.keys(env).filter((name) => /^(PLUGIN_|PLUGBOARD_)/.test(name))).toEqual([]);
    const limited = await host.load({ command: markdown, config: { maxDocumentBytes: 3 } });
    await expect(limited.client(MarkdownService).render({ markdown: "1234" })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  test("runs in the working directory that was asked for", async () => {
    const command = ["node", node[1], resolve("test/host/fixtures/unruly-plugin.ts")] as const;
    const loaded = await host.load({ command, cwd: files });
    const { html } = await loaded.client(MarkdownService).render({});
    expect(JSON.parse(html)).toMatchObject({ cwd: realpathSync(files) });
  });

  test("may listen on TCP, with certificates of both sides", async () => {
    const { certificate, key } = await createThrowawayCertificate();
    const plugin = await startStandalone(markdown, "tcp:127.0.0.1:0", {
      PLUGIN_SERVER_CERT: certificate,
      PLUGIN_SERVER_KEY: key,
      PLUGIN_CLIENT_ROOT_CERTS: certificate,
    });
    const line = `1|1|${plugin.address.replace(":", "|")}|grpc|`;
    const command = misbehave("print", line);
    await expect(host.load({ command, onOutput() {} })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-UNSUPPORTED",
      hint: expect.stringContaining('tls: "auto"'),
    });
    const loaded = await host.load({ command, tls: { certificate, key, roots: certificate }, onOutput() {} });
    expect(await loaded.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
    await loaded.close();
    expect(await plugin.stop()).toBe(0);
  });

  test("has nothing to do any more with the signal that it was loaded with", async () => {
    const controller = new AbortController();
    const loaded = await host.load({ command: markdown, signal: controller.signal });
    controller.abort();
    expect(await loaded.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
  });

  test("has its output handed on line by line, but for the handshake", async () => {
    const lines: OutputLine[] = [];
    const loaded = await host.load({ command: unruly, onOutput: (line) => lines.push(line) });
    await loaded.client(MarkdownService).render({ markdown: "print" });
    await loaded.close();
    expect(lines.filter(({ stream }) => stream === "stdout").map(({ text }) => text)).toEqual([
      "on stdout",
      "\u00e4",
      "",
    ]);
    expect(lines.filter(({ stream }) => stream === "stderr").map(({ text }) => text)).toEqual(["on stderr", "the end"]);
  });

  test("is reported when it crashes: to calls in flight, to later ones, and by `exited`", async () => {
    const loaded = await host.load({ command: unruly, onOutput() {} });
    const client = loaded.client(MarkdownService);
    const { html } = await client.render({ markdown: "grandchild" });
    const crashed = client.render({ markdown: "crash" });
    await expect(crashed).rejects.toBeInstanceOf(ConnectError);
    expect(await loaded.exited).toEqual({ code: 1, signal: null });
    await vi.waitFor(() => expect(client.render({})).rejects.toMatchObject({ errorCode: "PB-PLUGIN-EXITED" }));
    await expect(client.render({})).rejects.toThrow(/with code 1.*as asked/s);
    await untilGone(Number(html), socketOf(loaded), dirname(socketOf(loaded)));
    expect(leftovers()).toEqual([]);
    await loaded.close();
  });

  test("is reported with the signal that killed it", async () => {
    const loaded = await host.load({ command: unruly, onOutput() {} });
    process.kill(loaded.pid, "SIGKILL");
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGKILL" });
    await vi.waitFor(() =>
      expect(loaded.client(MarkdownService).render({})).rejects.toThrow(/PB-PLUGIN-EXITED.* by SIGKILL/),
    );
    await vi.waitFor(() => expect(leftovers()).toEqual([]), { timeout: 10_000 });
  });

  test.each<[string, Requirements]>([
    ["gRPC", { protocols: ["grpc"] }],
    ["Connect over HTTP/2", { protocols: ["connect"], httpVersion: "2" }],
    ["Connect over HTTP/1.1", { protocols: ["connect"], httpVersion: "1.1" }],
  ])("is reported to calls in flight when it is killed, over %s", async (_, requirements) => {
    const loaded = await host.load({ command: behaviour, require: requirements });
    const client = loaded.client(BehaviourService);
    const call = expect(client.hang({ id: "killed" })).rejects;
    const responses = client.produce({ id: "endless", count: 1 << 30, size: 1_000 });
    const stream = expect(
      (async () => {
        for await (const { index } of responses) {
          expect(index).toBeGreaterThanOrEqual(0);
        }
      })(),
    ).rejects;
    const exited = { errorCode: "PB-PLUGIN-EXITED", code: Code.Unavailable };
    const outcomes = Promise.all([call.toMatchObject(exited), stream.toMatchObject(exited)]);
    await vi.waitFor(async () => expect(await client.watch({ id: "killed" })).toMatchObject({ started: true }));
    await vi.waitFor(async () => expect(await client.watch({ id: "endless" })).toMatchObject({ started: true }));
    process.kill(loaded.pid, "SIGKILL");
    await outcomes;
  });

  test("a plugin that crashes leaves the others alone", async () => {
    const [one, two] = await Promise.all([
      host.load({ command: unruly, onOutput() {} }),
      host.load({ command: markdown }),
    ]);
    process.kill(one.pid, "SIGKILL");
    await one.exited;
    expect(await two.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
  });

  test.each(["closed", "killed"])(
    "a plugin that is %s and leaves what can't be removed ends nothing but itself",
    async (end) => {
      const usual = process.env.TMPDIR;
      const own = join(files, `unremovable-${end}`);
      mkdirSync(own);
      process.env.TMPDIR = own;
      const lines: OutputLine[] = [];
      const loaded = await host.load({ command: unruly, onOutput: (line) => lines.push(line) }).finally(() => {
        process.env.TMPDIR = usual;
      });
      const other = await host.load({ command: markdown });
      await loaded.client(MarkdownService).render({ markdown: "loop" });
      expect(() => rmSync(dirname(socketOf(loaded)), { recursive: true, force: true })).toThrow();
      if (end === "killed") {
        process.kill(loaded.pid, "SIGKILL");
        await loaded.exited;
      }
      await loaded.close();
      expect(isAlive(loaded.pid)).toBe(false);
      expect(lines).toEqual([]);
      expect(await other.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
      await host.close();
    },
  );

  test("takes what it has started with it", async () => {
    const loaded = await host.load({ command: unruly });
    const { html } = await loaded.client(MarkdownService).render({ markdown: "grandchild" });
    const grandchild = Number(html);
    expect(isAlive(grandchild)).toBe(true);
    await loaded.close();
    await untilGone(grandchild);
  });

  test.each([
    ["a shell", ["sh", "-c", `${unruly.join(" ")}; true`]],
    ["a shell that pipes what it prints", ["sh", "-c", `${unruly.join(" ")} 2>/dev/null | cat`]],
  ] as const)("has its grace period also if its command is %s around it", async (_, command) => {
    const patient = new Host({ gracePeriodMs: 20_000 });
    const stopped = join(files, `stopped-${failures++}`);
    await patient.load({ command, env: { STOP_NOTE: stopped }, onOutput() {} });
    await patient.close();
    expect(existsSync(stopped)).toBe(true);
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

  test("is killed after the grace period if it does not heed SIGTERM", async () => {
    const loaded = await host.load({ command: unruly, onOutput() {} });
    await loaded.client(MarkdownService).render({ markdown: "deaf" });
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGKILL" });
    expect(leftovers()).toEqual([]);
  });
});
