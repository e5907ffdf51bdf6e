import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { Code } from "@connectrpc/connect";
import { connect, Host } from "plugboard/node";
import { afterAll, describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { startStandalone } from "../support/standalone.ts";

const directory = mkdtempSync(join(tmpdir(), "serve-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const flags = ["--conditions=plugboard-source"] as const;
const markdown = "examples/markdown/serve.ts";
const behaviour = ["node", ...flags, "test/behaviour/serve.ts"] as const;
const cookie = { PLUGBOARD_MAGIC_COOKIE: "8c4b7ef0b5e64d7c9d2b1c6f3a5e9d40" };

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a plugin that is expected to end by itself. */
async function run(args: readonly string[], env: Record<string, string> = {}, cwd = "."): Promise<Ended> {
  const child = spawn("node", [...flags, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

/** Starts a plugin as a host does and reads its handshake. */
async function startHosted(
  env: Record<string, string> = {},
  script = "test/behaviour/serve.ts",
  stderr: "inherit" | "ignore" = "inherit",
) {
  const child = spawn("node", [...flags, script], {
    env: { ...process.env, ...cookie, PLUGBOARD_PARENT: "stdin", ...env },
    stdio: ["pipe", "pipe", stderr],
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  const line = first.toString();
  return { child, exited, line, socket: line.split("|")[3] ?? "" };
}

describe("started by hand", () => {
  test("says what it is, how a host loads it and how to run it by hand, and exits with 1", async () => {
    const { code, stdout, stderr } = await run([markdown], { npm_command: "" });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const [what, load, byHand, where, call] = stderr.split("\n");
    expect(what).toContain("markdown 1.0.0 is a Plugboard plugin.");
    expect(load).toContain(
      `import { Host } from "plugboard/node"; await new Host().load({ command: ["node","${flags[0]}","${markdown}"] });`,
    );
    expect(byHand).toContain(` node ${flags[0]} ${markdown} --listen unix:./markdown.sock`);
    expect(where).toContain("PLUGIN_SERVER_ENDPOINT");
    expect(call).toContain('import { connect } from "plugboard/node"; await connect("unix:./markdown.sock");');
  });

  test("says how to run it by npx, if it was npx that has run it", async () => {
    const { stderr } = await run([markdown], { npm_command: "exec" });
    expect(stderr).toContain(` npx node ${flags[0]} ${markdown} --listen `);
    expect(stderr).toContain('command: ["node",');
  });

  const [here, blank, top] = ["own", "my plugins", "open"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];

  test.each([
    {
      what: "a script below the working directory",
      cwd: here,
      script: join(here, "lib", "serve.ts"),
      named: "lib/serve.ts",
    },
    {
      what: "a script elsewhere, with a blank in its path",
      cwd: here,
      script: join(blank, "serve.ts"),
      named: join(blank, "serve.ts"),
    },
  ])("prints commands that work when they are copied, for $what", async ({ cwd, script, named }) => {
    for (const folder of [cwd, dirname(script)]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    symlinkSync(resolve(markdown), script);
    const { stderr } = await run([script], { npm_command: "" }, cwd);
    const command = JSON.parse(/load\(\{ command: (.*) \}\)/.exec(stderr)?.[1] ?? "");
    expect(command).toEqual(["node", ...flags, named]);
    await using host = new Host();
    const loaded = await host.load({ command, cwd });
    expect(loaded.manifest?.name).toBe("markdown");

    const standalone = /^By hand: +(.*)$/m.exec(stderr)?.[1] ?? "";
    const child = spawn("sh", ["-c", `exec ${standalone}`], { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const exited = once(child, "exit");
    const stderrOfChild = text(child.stderr);
    const [line] = (await Promise.race([once(child.stdout, "data"), exited])) as unknown[];
    child.kill("SIGTERM");
    expect(await stderrOfChild).toBe("");
    expect(String(line)).toBe("markdown 1.0.0 listens on unix:./markdown.sock\n");
    expect(await exited).toEqual([0, null]);
  });

  test("proposes no place where others could put a socket first", async () => {
    mkdirSync(top);
    chmodSync(top, 0o1777);
    const script = resolve(markdown);
    const places = { XDG_RUNTIME_DIR: top, TMPDIR: top, HOME: directory };
    expect((await run([script], places, top)).stderr).toContain(`unix:${join(directory, "markdown.sock")}`);
    const own = { ...places, XDG_RUNTIME_DIR: directory, HOME: top };
    expect((await run([script], own, top)).stderr).toContain(`unix:${join(directory, "markdown.sock")}`);
  });

  test("names the plugin's trouble when it does not start, says where it arose, and leaves nothing", async () => {
    const own = mkdtempSync(join(directory, "start-"));
    const { code, stdout, stderr } = await run(["test/plugin-process/fixtures/lifecycle.ts"], {
      ...cookie,
      TMPDIR: own,
      TROUBLE: "start throws",
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^PB-PLUGIN-START: .*no database\n/);
    expect(stderr).toContain("Caused by: Error: no database\n    at ");
    expect(stderr).toContain("lifecycle.ts:");
    expect(stderr).toContain("Caused by: Error: no route to host\n    at ");
    // An error's properties can be anything, as the request of a client with its credentials.
    expect(stderr).not.toContain("swordfish");
    expect(readdirSync(own)).toEqual([]);
  });

  const talkative = "test/plugin-process/fixtures/talkative.ts";
  test.each<[string, { script: string; env: Record<string, string>; said: string }]>([
    [
      "with a wrong cookie",
      {
        script: markdown,
        env: { PLUGBOARD_MAGIC_COOKIE: "wrong" },
        said: "PLUGBOARD_MAGIC_COOKIE is set to another value",
      },
    ],
    [
      "with a wrong cookie of an application",
      { script: talkative, env: { TALKATIVE: "no" }, said: "TALKATIVE is set to another value" },
    ],
    [
      "with another application's",
      { script: talkative, env: { OTHER: "no", PLUGIN_MIN_PORT: "10000" }, said: "did not set TALKATIVE" },
    ],
    [
      "with an application's",
      { script: markdown, env: { OTHER: "no", PLUGIN_PROTOCOL_VERSIONS: "1" }, said: "was not given its cookie" },
    ],
  ])("says that the cookie is wrong, when it was a host that has started it %s", async (_, { script, env, said }) => {
    const { code, stdout, stderr } = await run([script], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^PB-COOKIE-MISMATCH: /);
    expect(stderr).toContain(said);
    // Neither the wrong one nor the right one.
    expect(stderr).not.toMatch(/\b(wrong|no|yes)\b/);
  });

  test.each([
    ["", "value"],
    ["A=B", "value"],
    ["KEY", ""],
  ])("refuses a cookie of its program that can't be: %j with the value %j", async (key, value) => {
    const { code, stderr } = await run(["test/plugin-process/fixtures/bad-cookie.ts", key, value]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^PB-COOKIE-INVALID: /);
  });

  test.each([
    ["beyond the loopback interface", "tcp:0.0.0.0:1", "PB-LISTEN-INSECURE"],
    ["beyond the loopback interface by IPv6", "tcp:[::]:0", "PB-LISTEN-INSECURE"],
    ["at a host of the network", "tcp:example.com:1", "PB-LISTEN-INSECURE"],
    ["at what only looks like loopback", "tcp:127.0.0.1.example.com:1", "PB-LISTEN-INSECURE"],
    ["at a port that can't be", "tcp:127.0.0.1:99999", "PB-COMMAND-LINE"],
    ["at a URL", "http://localhost", "PB-COMMAND-LINE"],
    ["at nonsense", "nonsense", "PB-COMMAND-LINE"],
    ["nowhere", "", "PB-COMMAND-LINE"],
    ["in a directory that is missing", "unix:/no/such/directory/p.sock", "PB-LISTEN-FAILED"],
    ["at a directory", `unix:${directory}`, "PB-LISTEN-FAILED"],
    ["at a path too long for a socket", `unix:${join(directory, "long".repeat(30))}`, "PB-SOCKET-PATH"],
  ])("refuses to listen %s", async (_, address, code) => {
    const ended = await run([markdown, "--listen", address]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(code);
    expect(ended.stderr).not.toContain("    at ");
    expect(ended.stdout).toBe("");
  });

  test("listens beyond the loopback interface with certificates of both sides, and not with its own alone", async () => {
    const [server, client] = await Promise.all([createThrowawayCertificate(), createThrowawayCertificate()]);
    const env = { PLUGIN_SERVER_CERT: server.certificate, PLUGIN_SERVER_KEY: server.key };
    const alone = await run([markdown, "--listen", "tcp:0.0.0.0:0"], env);
    expect(alone.stderr).toContain("PB-LISTEN-INSECURE");
    expect(alone.stderr).toContain("to clients without a certificate");

    const plugin = await startStandalone(["node", ...flags, markdown], "tcp:0.0.0.0:0", {
      ...env,
      PLUGIN_CLIENT_ROOT_CERTS: client.certificate,
    });
    const tls = { certificate: client.certificate, key: client.key, roots: server.certificate };
    const connection = await connect(plugin.address.replace("0.0.0.0", "localhost"), { tls });
    expect(await connection.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
    await connection.close();
    expect(await plugin.stop()).toBe(0);
  });

  test("says in its log why it refuses connections for TLS, each reason once in a while", async () => {
    const { certificate, key } = await createThrowawayCertificate();
    const socket = join(directory, "refusing.sock");
    const env = { PLUGIN_SERVER_CERT: certificate, PLUGIN_SERVER_KEY: key };
    const child = spawn("node", [...flags, markdown, "--listen", `unix:${socket}`], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const stderr = text(child.stderr);
    await once(child.stdout, "data");
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(connect(`unix:${socket}`)).rejects.toMatchObject({ errorCode: "PB-TLS-REQUIRED" });
    }
    child.kill();
    expect((await stderr).match(/PB-[A-Z-]+/g)).toEqual(["PB-TLS-REQUIRED"]);
  });

  test.each([["--lisen", "unix:/tmp/x.sock"], ["--lisen=unix:/tmp/x.sock"], ["-l", "unix:/tmp/x.sock"]])(
    "refuses an option that is misspelt: %s",
    async (...args) => {
      const { code, stderr } = await run([markdown, ...args]);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^PB-COMMAND-LINE: --?l(isen)? does not say where to listen, and the plugin was not started by a host\nUse --listen/,
      );
      expect((await run([markdown, "--help"])).stderr).toContain("By hand:");
    },
  );

  test("refuses --listen without a value", async () => {
    expect((await run([markdown, "--listen"])).stderr).toContain("PB-COMMAND-LINE");
  });

  test.each([
    ['{"maxDocumentBytes":"swordfish"}', '"maxDocumentBytes"'],
    ['{"extensions":["EXTENSION_GFM","swordfish"]}', '"extensions[1]"'],
    ['{"password":"swordfish"}', '"password" is unknown'],
    ["swordfish", "PLUGBOARD_CONFIG is not JSON"],
  ])("refuses the configuration %s, names the key and quotes no value", async (config, named) => {
    const env = { PLUGBOARD_CONFIG: config };
    const { code, stderr } = await run([markdown, "--listen", `unix:${join(directory, "config.sock")}`], env);
    expect(code).toBe(1);
    expect(stderr).toContain("PB-CONFIG-INVALID");
    expect(stderr).toContain(named);
    expect(stderr).not.toContain("swordfish");
  });
});

describe("standing alone", () => {
  test("listens on IPv4, on a port that was free", async () => {
    const plugin = await startStandalone(behaviour, "tcp:127.0.0.1:0");
    expect(plugin.address).toMatch(/^tcp:127\.0\.0\.1:[1-9]\d*$/);
    await using connection = await connect(plugin.address);
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
    const second = await run(["test/behaviour/serve.ts", "--listen", plugin.address]);
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining("PB-LISTEN-FAILED") });
    expect(second.stderr).toContain("Another process listens there");
    expect(await plugin.stop()).toBe(0);
  });

  test("ends well on Ctrl-C", async () => {
    const path = join(directory, "interrupted.sock");
    const plugin = await startStandalone(behaviour, `unix:${path}`);
    expect(await plugin.stop("SIGINT")).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test("listens on TCP, on the loopback interface", async () => {
    const plugin = await startStandalone(behaviour, "tcp:[::1]:0");
    await using connection = await connect(plugin.address);
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
    expect(await plugin.stop()).toBe(0);
  });

  test("takes the place of a socket that no one listens on any more, but of nothing else", async () => {
    const path = join(directory, "stale.sock");
    const first = await startStandalone(behaviour, `unix:${path}`);
    const live = await run(["test/behaviour/serve.ts", "--listen", `unix:${path}`]);
    expect(live.stderr).toContain("PB-LISTEN-FAILED");
    await using untouched = await connect(first.address);
    expect(untouched.manifest?.name).toBe("behaviour");
    await first.stop("SIGKILL");
    expect(existsSync(path)).toBe(true);
    const second = await startStandalone(behaviour, `unix:${path}`);
    await using connection = await connect(second.address);
    expect(connection.manifest?.name).toBe("behaviour");
    expect(await second.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);

    writeFileSync(path, "precious");
    expect((await run([markdown, "--listen", `unix:${path}`])).stderr).toContain("PB-LISTEN-FAILED");
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("lets a call in flight finish when it is told to stop", async () => {
    const plugin = await startStandalone(behaviour, `unix:${join(directory, "drain.sock")}`);
    await using connection = await connect(plugin.address);
    const client = connection.client(BehaviourService);
    const finish = Promise.withResolvers<void>();
    async function* requests() {
      yield { id: "drained", text: "before" };
      await finish.promise;
      yield { id: "drained", text: "after" };
    }
    const responses = client.converse(requests())[Symbol.asyncIterator]();
    expect(await responses.next()).toMatchObject({ value: { text: "before" } });
    const stopped = plugin.stop();
    // No new connections any more: it has begun to stop.
    await vi.waitFor(() => expect(connect(plugin.address)).rejects.toThrow("PB-CONNECT-UNREACHABLE"));
    // Telling it once more changes nothing.
    plugin.signal("SIGTERM");
    finish.resolve();
    expect(await responses.next()).toMatchObject({ value: { text: "after" } });
    expect(await responses.next()).toMatchObject({ done: true });
    expect(await stopped).toBe(0);
  });

  test("says to clients that are still connected that it is about to stop", async () => {
    const plugin = await startStandalone(behaviour, `unix:${join(directory, "readyz.sock")}`);
    await using connection = await connect(plugin.address);
    const client = connection.client(BehaviourService);
    const finish = Promise.withResolvers<void>();
    async function* requests() {
      yield { id: "busy" };
      await finish.promise;
    }
    const responses = client.converse(requests())[Symbol.asyncIterator]();
    await responses.next();
    // A connection with a request under way, which is completed only once the plugin is stopping.
    const waiting = net.connect({ path: plugin.address.slice("unix:".length) });
    waiting.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\n");
    const [first] = (await once(waiting, "data")) as [Buffer];
    expect(first.toString()).toContain("HTTP/1.1 200 OK");
    const stopped = plugin.stop();
    await vi.waitFor(() => expect(connect(plugin.address)).rejects.toThrow("PB-CONNECT-UNREACHABLE"));
    waiting.write("Host: x\r\n\r\n");
    const reply = await text(waiting);
    expect(reply).toContain("HTTP/1.1 503 Service Unavailable");
    expect(reply).toContain("Connection: close");
    expect(reply).toContain('{"status":"draining"}');
    finish.resolve();
    expect(await responses.next()).toMatchObject({ done: true });
    expect(await stopped).toBe(0);
  });

  test.each(["stop throws", "stop hangs"])("exits with 0 even if its %s", async (TROUBLE) => {
    const path = join(directory, "trouble.sock");
    const child = spawn("node", [...flags, "test/plugin-process/fixtures/lifecycle.ts", "--listen", `unix:${path}`], {
      env: { ...process.env, TROUBLE },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const stderr = text(child.stderr);
    const exited = once(child, "exit");
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    expect(await stderr).toContain("stopping, signal aborted\n");
    expect(existsSync(path)).toBe(false);
  });

  test("ends what outlives the grace period with unavailable, and exits with 0 all the same", async () => {
    const plugin = await startStandalone(
      ["node", ...flags, "test/plugin-process/fixtures/impatient.ts"],
      `unix:${join(directory, "grace.sock")}`,
    );
    await using connection = await connect(plugin.address);
    const client = connection.client(BehaviourService);
    const call = client.hang({ id: "outlives" });
    const outcome = expect(call).rejects.toThrow("[unavailable] the plugin is shutting down");
    await vi.waitFor(async () => expect(await client.watch({ id: "outlives" })).toMatchObject({ started: true }));
    expect(await plugin.stop()).toBe(0);
    await outcome;
  });
});

describe("started by a host", () => {
  test("responds with go-plugin's handshake and nothing else, and ends when its host is gone", async () => {
    const own = mkdtempSync(join(directory, "hosted-"));
    const { child, exited, line, socket } = await startHosted({ TMPDIR: own });
    const more = text(child.stdout);
    expect(readdirSync(own)).toHaveLength(1);
    expect(line).toBe(`1|2|unix|${join(own, readdirSync(own)[0] ?? "", `p${child.pid}.sock`)}|grpc|\n`);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
    expect(await more).toBe("");
    expect(readdirSync(own)).toEqual([]);
  });

  test("ends when its host is gone even if a call is in flight, and has the caller know", async () => {
    const { child, exited, socket } = await startHosted();
    await using connection = await connect(`unix:${socket}`);
    const client = connection.client(BehaviourService);
    const outcome = expect(client.hang({ id: "orphan" })).rejects.toMatchObject({ code: Code.Unavailable });
    await vi.waitFor(async () => expect(await client.watch({ id: "orphan" })).toMatchObject({ started: true }));
    child.stdin.end();
    await outcome;
    expect(await exited).toEqual([0, null]);
  });

  test("removes its socket also when it crashes", async () => {
    const own = mkdtempSync(join(directory, "crash-"));
    const env = { TMPDIR: own, PLUGIN_PROTOCOL_VERSIONS: "" };
    const { exited, socket } = await startHosted(env, "test/host/fixtures/unruly-plugin.ts", "ignore");
    await using connection = await connect(`unix:${socket}`);
    await expect(connection.client(MarkdownService).render({ markdown: "crash" })).rejects.toThrow();
    expect(await exited).toEqual([1, null]);
    expect(readdirSync(own)).toEqual([]);
  });

  test.each<[string, (child: ChildProcess) => void]>([
    ["it is told to stop", (child) => child.kill("SIGTERM")],
    ["its host is gone", (child) => child.stdin?.end()],
  ])("ends and leaves nothing when %s before it is ready", async (_, end) => {
    const own = mkdtempSync(join(directory, "starting-"));
    const child = spawn("node", [...flags, "test/plugin-process/fixtures/lifecycle.ts"], {
      env: { ...process.env, ...cookie, PLUGBOARD_PARENT: "stdin", TMPDIR: own, TROUBLE: "start hangs" },
      stdio: ["pipe", "ignore", "pipe"],
    });
    const exited = once(child, "exit");
    await once(child.stderr, "data");
    end(child);
    try {
      await exited;
      expect(readdirSync(own)).toEqual([]);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("keeps the variables of the handshake from the plugin", async () => {
    const handshake = {
      PLUGIN_MIN_PORT: "10000",
      PLUGIN_MAX_PORT: "25000",
      PLUGIN_PROTOCOL_VERSIONS: "1,2",
      PLUGIN_MULTIPLEX_GRPC: "false",
      PLUGBOARD_PROTOCOLS: "grpc",
      PLUGBOARD_CONFIG: "{}",
    };
    const env = { ...handshake, MY_OWN: "value" };
    const { child, exited, socket } = await startHosted(env, "test/host/fixtures/unruly-plugin.ts");
    await using connection = await connect(`unix:${socket}`);
    const { html } = await connection.client(MarkdownService).render({});
    const seen = (JSON.parse(html) as { env: Record<string, string> }).env;
    expect(seen.MY_OWN).toBe("value");
    expect(Object.keys(seen).filter((name) => name in { ...cookie, ...handshake, PLUGBOARD_PARENT: "" })).toEqual([]);
    child.stdin.end();
    await exited;
  });

  test.each([
    ["1,2,9", "2"],
    ["1", "1"],
    // Without a common one it says its lowest, and leaves the refusal to the host.
    ["7,8", "1"],
    // As if it were not set.
    ["", "2"],
  ])("picks of the versions %s version %s", async (versions, picked) => {
    const { child, exited, line } = await startHosted({ PLUGIN_PROTOCOL_VERSIONS: versions });
    expect(line.split("|")[1]).toBe(picked);
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });

  test("makes its socket where the host wants it, and says which protocol the host likes best", async () => {
    const own = mkdtempSync(join(tmpdir(), "serve-own-"));
    const env = { PLUGIN_UNIX_SOCKET_DIR: own, PLUGBOARD_PROTOCOLS: "unheard-of,connect,grpc" };
    const { child, exited, line, socket } = await startHosted(env);
    expect(dirname(socket)).toBe(own);
    expect(line.split("|")[4]).toBe("connect");
    child.stdin.end();
    await exited;
    expect(existsSync(own)).toBe(false);
  });

  test("makes a directory for its socket if the host names none", async () => {
    const { child, exited, socket } = await startHosted({ PLUGIN_UNIX_SOCKET_DIR: "", TMPDIR: directory });
    child.stdin.end();
    await exited;
    expect(dirname(dirname(socket))).toBe(directory);
  });

  test("leaves Ctrl-C to its host", async () => {
    const { child, exited, socket } = await startHosted({}, markdown);
    child.kill("SIGINT");
    await using connection = await connect(`unix:${socket}`);
    expect(await connection.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
    child.kill("SIGTERM");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });

  test.each([
    ["PLUGIN_CLIENT_CERT", "-----BEGIN CERTIFICATE-----", "PB-TLS-UNREADABLE"],
    ["PLUGIN_UNIX_SOCKET_GROUP", "no-such-group", "PB-SOCKET-GROUP"],
    ["PLUGIN_MIN_PORT", "10e3", "PB-SETTING-INVALID"],
    ["PLUGIN_MAX_PORT", "65536", "PB-SETTING-INVALID"],
    // Without the other that is 0.
    ["PLUGIN_MIN_PORT", "1", "PB-SETTING-INVALID"],
    ["PLUGIN_UNIX_SOCKET_DIR", `/tmp/${"long".repeat(30)}`, "PB-SOCKET-PATH"],
    ["PLUGIN_UNIX_SOCKET_DIR", "/no/such/directory", "PB-LISTEN-FAILED"],
    ["PLUGIN_UNIX_SOCKET_DIR", "/tmp/a|b", "PB-SOCKET-PATH"],
    ["PLUGIN_UNIX_SOCKET_DIR", "/tmp/a\nb", "PB-SOCKET-PATH"],
    ["TMPDIR", "/tmp/a|b", "PB-SOCKET-PATH"],
    ["TMPDIR", "/no/such/directory", "PB-SOCKET-DIRECTORY"],
    ["PLUGBOARD_CONFIG", '{"maxDocumentBytes":"swordfish"}', "PB-CONFIG-INVALID"],
  ])("says what is wrong with %s", async (name, value, code) => {
    const transport = name.endsWith("_PORT") ? { PLUGIN_SERVER_TRANSPORTS: "tcp" } : {};
    const ended = await run([markdown], { ...cookie, ...transport, [name]: value });
    expect(ended.code).toBe(1);
    expect(ended.stdout).toBe("");
    expect(ended.stderr).toContain(code);
    expect(ended.stderr).not.toContain("    at ");
  });

  test.each([{ idleConnectionMs: 0 }, { maxConnections: -1 }])("is refused with %o", async (options) => {
    const ended = await run(["test/plugin-process/fixtures/by-options.ts"], {
      ...cookie,
      OPTIONS: JSON.stringify(options),
    });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("PB-LIMIT-INVALID");
  });

  test("can be asked by curl and the like how it is", async () => {
    const { child, exited, socket } = await startHosted();
    const [response] = (await once(http.get({ socketPath: socket, path: "/readyz", agent: false }), "response")) as [
      http.IncomingMessage,
    ];
    expect(await text(response)).toBe('{"status":"ok"}');
    child.stdin.end();
    await exited;
  });
});
