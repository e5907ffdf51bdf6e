import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Health } from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { PluginService } from "../../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { GRPCController } from "../../../src/gen/plugin/grpc_controller_pb.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Standalone } from "../../support/standalone.ts";
import { startStandalone } from "../../support/standalone.ts";
import { buildGo, lacksGo } from "../build-go.ts";

const serve = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;
const echo = `${BehaviourService.typeName}/Echo`;
const check = `${Health.typeName}/Check`;
const services = [Health, ServerReflection, ServerReflectionAlpha, PluginService, BehaviourService, GRPCController];
const serviceNames = services.map(({ typeName }) => `${typeName}\n`).join("");

let directory: string;
let plugin: Standalone;
let socket: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "grpcurl-"));
  socket = join(directory, "p.sock");
  plugin = await startStandalone(serve, `unix:${socket}`);
});
afterAll(async () => {
  await plugin?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a program to its end. */
async function run(command: string, ...args: readonly string[]) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

describe.skipIf(lacksGo)("grpcurl, for which go has to be on PATH", () => {
  let program: string;
  beforeAll(async () => {
    program = await buildGo(import.meta.dirname, "github.com/fullstorydev/grpcurl/cmd/grpcurl");
  }, 900_000);

  const grpcurl = (...args: readonly string[]) => run(program, "-plaintext", "-unix", ...args);

  test("lists the services of a plugin process", async () => {
    expect(await grpcurl(socket, "list")).toEqual({ code: 0, stdout: serviceNames, stderr: "" });
  });

  test("lists the methods of a service", async () => {
    const { stdout } = await grpcurl(socket, "list", BehaviourService.typeName);
    expect(stdout.trimEnd().split("\n").sort()).toEqual(
      BehaviourService.methods.map(({ name }) => `${BehaviourService.typeName}.${name}`).sort(),
    );
  });

  test.each([
    [echo.replace("/", "."), "rpc Echo ( .plugboard.test.v1.EchoRequest ) returns ( .plugboard.test.v1.EchoResponse )"],
    ["plugboard.plugin.v1.Limits", "  .google.protobuf.Duration max_deadline = 2;"],
    ["google.protobuf.Duration", "  int32 nanos = 2;"],
    [Health.typeName, "returns ( stream .grpc.health.v1.HealthCheckResponse )"],
  ])("describes %s", async (symbol, text) => {
    const { code, stdout } = await grpcurl(socket, "describe", symbol);
    expect(code).toBe(0);
    expect(stdout).toContain(text);
  });

  test("describes no symbol that there is not", async () => {
    const { code, stderr } = await grpcurl(socket, "describe", "no.such.Symbol");
    expect(code).toBe(1);
    expect(stderr).toContain("Symbol not found: no.such.Symbol");
  });

  test("calls a method, of which it has learned by reflection", async () => {
    const { stdout } = await grpcurl("-d", '{"text":"hi"}', socket, echo);
    expect(JSON.parse(stdout)).toEqual({ text: "hi" });
  });

  test("calls a method that streams both ways", async () => {
    const { stdout } = await grpcurl("-d", '{"text":"a"}{"text":"b"}', socket, `${BehaviourService.typeName}/Converse`);
    expect(stdout.match(/"text": ".*"/g)).toEqual(['"text": "a"', '"text": "b"']);
  });

  test.each(["", "plugin", BehaviourService.typeName])("learns that %j is served", async (service) => {
    const { stdout } = await grpcurl("-d", JSON.stringify({ service }), socket, check);
    expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
  });

  test("learns that a service is not known", async () => {
    const { code, stderr } = await grpcurl("-d", '{"service":"no.such.Service"}', socket, check);
    // 64 and gRPC's code.
    expect(code).toBe(64 + 5);
    expect(stderr).toContain("unknown service");
  });

  test("watches a plugin process that ends", async () => {
    const own = join(directory, "own.sock");
    const ending = await startStandalone(serve, `unix:${own}`);
    onTestFinished(() => ending.signal("SIGKILL"));
    const watching: ChildProcess = spawn(program, ["-plaintext", "-unix", own, `${Health.typeName}/Watch`]);
    const exited = once(watching, "exit");
    let printed = "";
    for await (const chunk of watching.stdout ?? []) {
      const isFirst = printed === "";
      printed += String(chunk);
      if (isFirst) {
        expect(await ending.stop()).toBe(0);
      }
    }
    expect(printed.match(/[A-Z_]+/g)).toEqual(["SERVING", "NOT_SERVING"]);
    expect(await exited).toEqual([0, null]);
  });
});

describe.each(["grpc-v1", "grpc-v1alpha"])("buf curl with %s", (reflection) => {
  const options = ["--protocol", "grpc", "--http2-prior-knowledge", "--reflect", "--reflect-protocol", reflection];
  const curl = (...args: readonly string[]) =>
    run("node_modules/.bin/buf", "curl", ...options, "--unix-socket", socket, ...args);

  test("lists the services and methods of a plugin process", async () => {
    expect(await curl("--list-services", "http://localhost")).toEqual({ code: 0, stdout: serviceNames, stderr: "" });
    const { stdout } = await curl("--list-methods", "http://localhost");
    expect(stdout.split("\n")).toEqual(expect.arrayContaining([echo, check, `${Health.typeName}/Watch`]));
  });

  test("calls a method", async () => {
    const { stdout } = await curl("-d", '{"text":"hi"}', `http://localhost/${echo}`);
    expect(JSON.parse(stdout)).toEqual({ text: "hi" });
  });

  test("learns how the plugin is", async () => {
    const { stdout } = await curl("-d", '{"service":"plugin"}', `http://localhost/${check}`);
    expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
  });
});
