import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { connect } from "plugboard/node";
import { afterAll, describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";
import { BehaviourService } from "../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import { startStandalone } from "./standalone.ts";

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
async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn("node", [...flags, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

/** Starts a plugin as a host does and reads its handshake. */
async function startHosted(env: Record<string, string> = {}, script = "test/behaviour/serve.ts") {
  const child = spawn("node", [...flags, script], {
    env: { ...process.env, ...cookie, PLUGBOARD_PARENT: "stdin", ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  const line = first.toString();
  return { child, exited, line, socket: line.split("|")[3] ?? "" };
}

describe("started by hand", () => {
  test("says in three lines what it is and how to run it, and exits with 1", async () => {
    const { code, stdout, stderr } = await run([markdown]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const lines = stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain("markdown 1.0.0");
    expect(lines[1]).toContain(`new Host().load({ command: ["node","${flags[0]}","${markdown}"] })`);
    expect(lines[2]).toContain(`node ${flags[0]} ${markdown} --listen unix:`);
  });

  test("does the same with a wrong cookie", async () => {
    expect((await run([markdown], { PLUGBOARD_MAGIC_COOKIE: "wrong" })).code).toBe(1);
  });

  test.each([
    ["tcp:0.0.0.0:0", "PB-LISTEN-INSECURE"],
    ["tcp:[::]:0", "PB-LISTEN-INSECURE"],
    ["tcp:example.com:1", "PB-LISTEN-INSECURE"],
    ["http://localhost", "PB-COMMAND-LINE"],
    ["nonsense", "PB-COMMAND-LINE"],
    ["unix:/no/such/directory/p.sock", "PB-LISTEN-FAILED"],
  ])("refuses --listen %s", async (address, code) => {
    const ended = await run([markdown, "--listen", address]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(code);
    expect(ended.stderr).not.toContain("    at ");
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
  test("listens on TCP, on the loopback interface", async () => {
    const plugin = await startStandalone(behaviour, "tcp:[::1]:0");
    await using connection = await connect(plugin.address);
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
    expect(await plugin.stop()).toBe(0);
  });

  test("takes the place of a socket that nobody listens on any more, but of nothing else", async () => {
    const path = join(directory, "stale.sock");
    const first = await startStandalone(behaviour, `unix:${path}`);
    const live = await run(["test/behaviour/serve.ts", "--listen", `unix:${path}`]);
    expect(live.stderr).toContain("PB-LISTEN-FAILED");
    await first.stop("SIGKILL");
    expect(existsSync(path)).toBe(true);
    const second = await startStandalone(behaviour, `unix:${path}`);
    await using connection = await connect(second.address);
    expect(connection.manifest?.name).toBe("behaviour");
    expect(await second.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);

    writeFileSync(path, "precious");
    expect((await run([markdown, "--listen", `unix:${path}`])).stderr).toContain("PB-LISTEN-FAILED");
    expect(existsSync(path)).toBe(true);
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
    finish.resolve();
    expect(await responses.next()).toMatchObject({ value: { text: "after" } });
    expect(await responses.next()).toMatchObject({ done: true });
    expect(await stopped).toBe(0);
  });

  test("ends what outlives the grace period with unavailable, and exits with 0 all the same", async () => {
    const plugin = await startStandalone(
      ["node", ...flags, "test/node/fixtures/impatient.ts"],
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
  test("answers with go-plugin's handshake, and ends when its host is gone", async () => {
    const { child, exited, line, socket } = await startHosted();
    expect(line).toMatch(/^1\|2\|unix\|\/[^|]+\|grpc\|\n$/);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
    expect(existsSync(dirname(socket))).toBe(false);
  });

  test.each([
    ["1,2,9", "2"],
    ["1", "1"],
    // Without a common one it says its lowest, and leaves the refusal to the host.
    ["7,8", "1"],
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
    ["PLUGIN_CLIENT_CERT", "-----BEGIN CERTIFICATE-----", "PB-HANDSHAKE-UNSUPPORTED"],
    ["PLUGIN_PROTOCOL_VERSIONS", "one", "PB-HANDSHAKE-ENVIRONMENT"],
    ["PLUGIN_UNIX_SOCKET_DIR", `/tmp/${"long".repeat(30)}`, "PB-SOCKET-PATH"],
  ])("says what is wrong with %s", async (name, value, code) => {
    const ended = await run([markdown], { ...cookie, [name]: value });
    expect(ended.code).toBe(1);
    expect(ended.stdout).toBe("");
    expect(ended.stderr).toContain(code);
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
