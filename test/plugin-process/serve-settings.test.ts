import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect, Host } from "plugboard/node";
import { afterAll, describe, expect, test } from "vitest";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

const directory = mkdtempSync(join(tmpdir(), "serve-settings-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const cookie = { PLUGBOARD_MAGIC_COOKIE: "8c4b7ef0b5e64d7c9d2b1c6f3a5e9d40" };

function start(env: Record<string, string>, ...args: string[]) {
  const script = "test/plugin-process/fixtures/own-options.ts";
  const child = spawn("node", ["--conditions=plugboard-source", script, ...args], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return { child, exited: once(child, "exit"), stderr: text(child.stderr) };
}

/** The line that a plugin prints when it listens. */
async function started(env: Record<string, string>, ...args: string[]) {
  const { child, exited, stderr } = start(env, ...args);
  const [line] = (await Promise.race([once(child.stdout, "data"), exited])) as unknown[];
  const stop = async () => {
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    return await stderr;
  };
  return { line: String(line), child, exited, stop };
}

/** The address that a plugin that stands alone says it listens on. */
const addressIn = (line: string) => line.trimEnd().split(" listens on ")[1] ?? "";

/** Makes a call that its handler fails, which goes to the plugin's log. */
async function failOnce(line: string) {
  await using connection = await connect(addressIn(line));
  await expect(connection.client(BehaviourService).fail({ message: "as asked" })).rejects.toThrow("internal error");
}

/** What a plugin that does not start says of it. */
async function refused(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { child, exited, stderr } = start(env, ...args);
  expect(await text(child.stdout)).toBe("");
  expect(await exited).toEqual([1, null]);
  return await stderr;
}

describe("PLUGIN_SERVER_ENDPOINT", () => {
  test.each([
    ["a path", join(directory, "path.sock"), /unix:\/.*\/path\.sock$/],
    ["a path with its scheme", `unix:${join(directory, "scheme.sock")}`, /unix:\/.*\/scheme\.sock$/],
    ["host and port", "127.0.0.1:0", /tcp:127\.0\.0\.1:\d+$/],
    ["host and port with their scheme", "tcp:[::1]:0", /tcp:\[::1\]:\d+$/],
  ])("may be %s, and needs no host", async (_, PLUGIN_SERVER_ENDPOINT, wanted) => {
    const { line, stop } = await started({ PLUGIN_SERVER_ENDPOINT });
    expect(line.trimEnd()).toMatch(wanted);
    await using connection = await connect(addressIn(line));
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
    await stop();
  });

  test("is what the handshake names", async () => {
    const path = join(directory, "hosted.sock");
    const own = mkdtempSync(join(directory, "unused-"));
    const hosted = { ...cookie, PLUGIN_UNIX_SOCKET_DIR: own, PLUGBOARD_PARENT: "stdin" };
    const { line, child, exited } = await started({ ...hosted, PLUGIN_SERVER_ENDPOINT: path });
    expect(line).toBe(`1|2|unix|${path}|grpc|\n`);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
    // The host that was killed has made a directory all the same.
    expect([existsSync(path), existsSync(own)]).toEqual([false, false]);
  });

  test("stands back behind what the program says, and that behind --listen", async () => {
    const [env, call, flag] = ["env", "call", "flag"].map((name) => join(directory, `${name}.sock`));
    const variables = { PLUGIN_SERVER_ENDPOINT: env ?? "", OPTIONS: JSON.stringify({ listen: call }) };
    const byCall = await started(variables);
    expect(byCall.line).toContain(`unix:${call}\n`);
    await byCall.stop();
    const byFlag = await started(variables, "--listen", `unix:${flag}`);
    expect(byFlag.line).toContain(`unix:${flag}\n`);
    await byFlag.stop();
  });

  test.each([
    [
      "beyond the loopback interface",
      "0.0.0.0:4000",
      "PB-LISTEN-INSECURE: tcp:0.0.0.0:4000, of the option listen, --listen or PLUGIN_SERVER_ENDPOINT,",
    ],
    [
      "at a port that can't be",
      "127.0.0.1:99999",
      'PB-SETTING-INVALID: listen (PLUGIN_SERVER_ENDPOINT) is "127.0.0.1:99999"',
    ],
    ["at nonsense", "nonsense", 'PB-SETTING-INVALID: PLUGIN_SERVER_ENDPOINT is "nonsense"; allowed is '],
  ])("is refused %s", async (_, PLUGIN_SERVER_ENDPOINT, message) => {
    expect(await refused({ PLUGIN_SERVER_ENDPOINT })).toContain(message);
  });
});

describe("PLUGIN_SERVER_TRANSPORTS", () => {
  test.each(["tcp", "tcp,unix"])("has a plugin listen on TCP for its host: %s", async (PLUGIN_SERVER_TRANSPORTS) => {
    await using host = new Host();
    const loaded = await host.load({
      command: ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"],
      env: { PLUGIN_SERVER_TRANSPORTS },
      tls: "auto",
    });
    expect(loaded.routes.unary.routes[0]?.endpoint.address.text).toMatch(/^tcp:127\.0\.0\.1:\d+$/);
    expect(await loaded.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });

  test("on TCP leaves no directory of a host that was killed", async () => {
    const own = mkdtempSync(join(directory, "killed-"));
    const { certificate } = await createThrowawayCertificate();
    const hosted = { ...cookie, PLUGIN_CLIENT_CERT: certificate, PLUGBOARD_PARENT: "stdin" };
    const env = { ...hosted, PLUGIN_SERVER_TRANSPORTS: "tcp", PLUGIN_UNIX_SOCKET_DIR: own };
    const { line, child, exited } = await started(env);
    expect(line).toMatch(/^1\|2\|tcp\|127\.0\.0\.1:\d+\|grpc\|[A-Za-z0-9+/]{500,}\n$/);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
    expect(existsSync(own)).toBe(false);
  });

  test("does not matter where --listen says it", async () => {
    const path = join(directory, "listen.sock");
    const { line, stop } = await started({ PLUGIN_SERVER_TRANSPORTS: "tcp" }, "--listen", `unix:${path}`);
    expect(line).toContain(`unix:${path}\n`);
    await stop();
  });
});

describe("PLUGIN_MAGIC_COOKIE_VALUE", () => {
  const named = { PLUGIN_MAGIC_COOKIE_KEY: "MY_COOKIE", PLUGIN_MAGIC_COOKIE_VALUE: "swordfish" };

  test("is what a host has to know, if not Plugboard's own", async () => {
    const { line, stop } = await started({ ...named, MY_COOKIE: "swordfish" });
    expect(line).toMatch(/^1\|1\|unix\|/);
    await stop();
    const stderr = await refused({ ...named, MY_COOKIE: "wrong" });
    expect(stderr).toContain("PB-COOKIE-MISMATCH: MY_COOKIE is set");
    expect(stderr).not.toContain("swordfish");
  });
});

describe("PLUGIN_LOG_LEVEL", () => {
  async function printedAt(level: string) {
    const { line, stop } = await started({ PLUGIN_LOG_LEVEL: level, PLUGIN_SERVER_ENDPOINT: "127.0.0.1:0" });
    await failOnce(line);
    return await stop();
  }

  test.each(["DEBUG", "INFO", "WARNING", "ERROR"])("%s tells of handlers that failed", async (level) => {
    expect(await printedAt(level)).toMatch(
      /plugboard: plugboard.test.v1.BehaviourService\/Fail failed, request [-\w]{36}: Error: as asked/,
    );
  });

  test("CRITICAL does not", async () => {
    expect(await printedAt("critical")).toBe("");
  });
});

test.each([
  ["PLUGIN_RATE_LIMIT_BURST_CAPACITY", "0", '"0"; allowed is a number from 1 to 1000000000'],
  ["PLUGIN_SERVER_KEY", "swordfish", "not shown here, as it may be secret; allowed is PEM"],
])("%s keeps a plugin from starting with the value %s, which the error says", async (name, value, message) => {
  const stderr = await refused({ ...cookie, [name]: value });
  expect(stderr).toContain(`PB-SETTING-INVALID: ${name} is ${message}`);
  expect(stderr).not.toContain("swordfish");
  expect(stderr).not.toContain("    at ");
});

describe("an option of serve()", () => {
  const refusedOption = (options: object) =>
    refused({ ...cookie, OPTIONS: JSON.stringify(options) }).then((stderr) => stderr.trimEnd());

  test.each([
    [{ listen: "nonsense" }, 'listen is "nonsense"; allowed is an absolute path'],
    [{ transports: [] }, 'transports is ""; allowed is a list of unix, tcp'],
    [{ autoMtls: "maybe" }, 'autoMtls is "maybe"; allowed is true'],
    [{ logLevel: "LOUD" }, 'logLevel is "LOUD"; allowed is one of DEBUG'],
    [{ processRateLimit: { perSecond: 0 } }, 'processRateLimit.perSecond is "0"; allowed is a number from 0.001'],
    [{ processRateLimit: { burst: 0.5 } }, 'processRateLimit.burst is "0.5"; allowed is a number from 1'],
  ])("keeps the plugin from starting with a value that is not allowed: %j", async (options, message) => {
    expect(await refusedOption(options)).toContain(`PB-SETTING-INVALID: ${message}`);
  });

  test.each([
    [{ settings: { PLUGIN_LOG_LEVEL: "ERROR" } }, 'serve() has no option "settings"'],
    [{ processRateLimit: { persecond: 2 } }, "Did you mean `perSecond`?"],
  ])("that does not exist is refused: %j", async (options, message) => {
    const stderr = await refusedOption(options);
    expect(stderr).toContain("PB-OPTION-UNKNOWN");
    expect(stderr).toContain(message);
  });

  test("says what is logged, whatever the environment says", async () => {
    const OPTIONS = JSON.stringify({ logLevel: "CRITICAL", listen: "127.0.0.1:0" });
    const { line, stop } = await started({ PLUGIN_LOG_LEVEL: "DEBUG", OPTIONS });
    await failOnce(line);
    expect(await stop()).toBe("");
  });

  test("limits the rate of the process, though the environment has that off", async () => {
    const OPTIONS = JSON.stringify({ processRateLimit: { perSecond: 0.001, burst: 1 }, listen: "127.0.0.1:0" });
    const { line, stop } = await started({ PLUGIN_RATE_LIMIT_ENABLED: "false", OPTIONS });
    {
      await using connection = await connect(addressIn(line));
      const { echo } = connection.client(BehaviourService);
      expect(await echo({ text: "first" })).toMatchObject({ text: "first" });
      await expect(echo({ text: "second" })).rejects.toThrow("rate limit");
    }
    await stop();
  });

  test("stops the plugin when its shutdown file is there", async () => {
    const shutdownFile = join(directory, "stop-here");
    const OPTIONS = JSON.stringify({ shutdownFile, listen: "127.0.0.1:0" });
    const { exited } = await started({ PLUGIN_SHUTDOWN_FILE_PATH: join(directory, "not-this"), OPTIONS });
    writeFileSync(shutdownFile, "");
    expect(await exited).toEqual([0, null]);
    expect(existsSync(shutdownFile)).toBe(false);
  });

  test("has a plugin listen on TCP for its host", async () => {
    await using host = new Host();
    const loaded = await host.load({
      command: ["node", "--conditions=plugboard-source", "test/plugin-process/fixtures/own-options.ts"],
      env: { OPTIONS: JSON.stringify({ transports: ["tcp"] }), PLUGIN_SERVER_TRANSPORTS: "unix" },
      tls: "auto",
    });
    expect(loaded.routes.unary.routes[0]?.endpoint.address.text).toMatch(/^tcp:127\.0\.0\.1:\d+$/);
  });
});

test("what is for hosts alone does not matter to a plugin", async () => {
  const { line, stop } = await started({ ...cookie, PLUGIN_CLIENT_MAX_RETRIES: "many" });
  expect(line).toMatch(/^1\|1\|unix\|/);
  await stop();
});
