import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { connect } from "plugboard/node";
import { afterAll, describe, expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { GRPCController } from "../../src/gen/plugin/grpc_controller_pb.ts";
import { GRPCStdio, StdioData_Channel } from "../../src/gen/plugin/grpc_stdio_pb.ts";

const directory = mkdtempSync(join(tmpdir(), "hosted-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Starts a plugin as a host written with go-plugin does. */
async function start(env: Readonly<Record<string, string>> = {}, program = "talkative.ts") {
  const child = spawn("node", ["--conditions=plugboard-source", `test/plugin-process/fixtures/${program}`], {
    env: { ...process.env, TMPDIR: directory, TALKATIVE: "yes", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const stderr = text(child.stderr);
  const lines = createInterface(child.stdout);
  const [line] = (await Promise.race([once(lines, "line"), exited])) as [unknown];
  const fields = String(line).split("|");
  const connection = await connect(`unix:${fields[3]}`, { require: { protocols: ["grpc"] } });
  return {
    fields,
    connection,
    socket: fields[3] ?? "",
    markdown: connection.client(MarkdownService),
    stderr,
    async end() {
      await connection.client(GRPCController).shutdown({});
      expect(await exited).toEqual([0, null]);
      await connection.close();
      expect(readdirSync(directory)).toEqual([]);
    },
  };
}

describe("started by a host written with go-plugin", () => {
  test.each([
    ["the highest that both know", "7,3,2", "3"],
    ["its lowest, where they know none in common", "4", "2"],
    ["its lowest, where the host tells none", "", "2"],
    ["a number among what is none", "x, 3,5", "5"],
  ])("speaks a version: %s", async (_, versions, version) => {
    const { fields, markdown, end, stderr } = await start({ PLUGIN_PROTOCOL_VERSIONS: versions });
    expect(fields).toEqual(["1", version, "unix", expect.any(String), "grpc", ""]);
    expect((await markdown.render({})).html).toBe(`version ${version}`);
    await end();
    expect((await stderr).includes('"x, 3" is ignored')).toBe(versions.startsWith("x"));
  });

  test.each([
    // Any value asks; what it says is whether the host wants it.
    ["false", 7],
    ["0", 7],
    ["", 6],
  ])("says that it can multiplex if it is asked: %j", async (asked, count) => {
    const { fields, end } = await start({ PLUGIN_MULTIPLEX_GRPC: asked });
    expect(fields).toHaveLength(count);
    expect(fields[6]).toBe(count === 7 ? "true" : undefined);
    await end();
  });

  test("lets the group use its socket that the host names", async () => {
    const group = process.getgid?.() ?? 0;
    const { socket, end } = await start({ PLUGIN_UNIX_SOCKET_GROUP: String(group) });
    const { gid, mode } = statSync(socket);
    expect({ gid, mode: mode & 0o777 }).toEqual({ gid: group, mode: 0o660 });
    await end();
  });

  test("keeps the end of what it prints until the host asks for it, and goes on meanwhile", async () => {
    const { connection, markdown, stderr, end } = await start();
    await markdown.render({ markdown: "a".repeat(1_000_000) });
    await markdown.render({ markdown: "é".repeat(100_000) });
    const pieces = connection.client(GRPCStdio).streamStdio(create(EmptySchema));
    let printed = "";
    for await (const { channel, data } of pieces) {
      expect(channel).toBe(StdioData_Channel.STDOUT);
      expect(data.byteLength).toBeLessThanOrEqual(1024);
      printed += Buffer.from(data).toString("latin1");
      if (printed.length >= 256 * 1024 - 1024) {
        break;
      }
    }
    expect(Buffer.from(printed, "latin1").toString()).toMatch(/^a+é+/);
    await end();
    const records = (await stderr).trim().split("\n");
    expect(records.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ "@level": "error", "@message": "logged { length: 1000000 }", "@module": "talkative" }),
      expect.objectContaining({ "@level": "error", "@message": "logged { length: 100000 }", "@module": "talkative" }),
    ]);
  });

  test("ends the stream of what it prints when it is told to end, after all of it", async () => {
    const { connection, markdown, end } = await start();
    const pieces = Array.fromAsync(connection.client(GRPCStdio).streamStdio(create(EmptySchema)));
    await markdown.render({ markdown: "the last words" });
    await end();
    expect(Buffer.concat((await pieces).map(({ data }) => data)).toString()).toBe("the last words");
  });

  const bySetting = {
    PLUGIN_MAGIC_COOKIE_KEY: "BY_SETTING",
    PLUGIN_MAGIC_COOKIE_VALUE: "yes",
    BY_SETTING: "yes",
  };

  test("lets the group use the sockets of its broker, too", async () => {
    const env = { ...bySetting, PLUGIN_UNIX_SOCKET_GROUP: String(process.getgid?.() ?? 0) };
    const { markdown, socket, end } = await start(env, "by-setting.ts");
    await markdown.render({});
    const modes = readdirSync(dirname(socket)).map((name) => statSync(join(dirname(socket), name)).mode & 0o777);
    expect(modes).toEqual([0o660, 0o660]);
    await end();
  });

  test("hides a cookie that is a setting from what it starts, as any other", async () => {
    const { markdown, end } = await start(bySetting, "by-setting.ts");
    expect((await markdown.render({})).html).toBe("undefined");
    await end();
  });

  test("logs that its stop hook has failed", async () => {
    const { stderr, end } = await start(bySetting, "by-setting.ts");
    await end();
    expect(JSON.parse(await stderr)).toMatchObject({
      "@level": "error",
      "@message": "plugboard: stopping: Error: it can't be stopped",
    });
  });
});
