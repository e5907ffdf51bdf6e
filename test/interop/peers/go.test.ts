import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Host } from "plugboard/node";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { buildGo, lacksGo } from "../build-go.ts";
import { describeForeignServer, expectChecks, serveOurs } from "./foreign.ts";
import { socketFolder, startOnSocket, startPeer } from "./peer-process.ts";

describe.skipIf(lacksGo)("connect-go, for which go has to be on PATH", () => {
  let command: readonly string[];
  beforeAll(async () => {
    const descriptors = join(inject("goFolder"), "connect-go.binpb");
    const set = create(FileDescriptorSetSchema, { file: [BehaviourService.file.proto] });
    writeFileSync(descriptors, toBinary(FileDescriptorSetSchema, set));
    command = [await buildGo(resolve("test/peers/connect-go"), "."), descriptors];
  }, 300_000);

  for (const protocol of ["connect", "grpc-web"] as const) {
    describeForeignServer({
      name: `connect-go over ${protocol}`,
      protocol,
      lacks: ["bidi"],
      async start() {
        const server = await startPeer([...command, "serve", "tcp"]);
        return { address: `http://${server.printed[0]}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
      },
    });
  }

  for (const protocol of ["connect", "grpc"] as const) {
    describeForeignServer({
      name: `connect-go over ${protocol} on a Unix socket`,
      protocol,
      start: () => startOnSocket([...command, "serve"]),
    });
  }

  test.each([
    ["connect", "tcp"],
    ["grpc", "tcp"],
    ["grpc-web", "tcp"],
    ["connect", "unix"],
    ["grpc", "unix"],
  ])("calls our server over %s and %s", async (protocol, carrier) => {
    await using folder = await socketFolder();
    const ours = await serveOurs(carrier === "unix" ? `unix:${folder.path}/s.sock` : "tcp:127.0.0.1:0");
    try {
      await expectChecks([...command, "call", ours.address.replace("tcp:", "http://"), protocol]);
    } finally {
      await ours.stop();
    }
  });
});

describe.skipIf(lacksGo)("a Terraform provider, for which go has to be on PATH", () => {
  const folder = resolve("test/peers/terraform");

  /** The provider's contract, as its own module has it. */
  function providerService() {
    const sources = execFileSync("go", ["list", "-m", "-f", "{{.Dir}}", "github.com/hashicorp/terraform-plugin-go"], {
      cwd: folder,
      encoding: "utf8",
    }).trim();
    const proto = join(inject("goFolder"), "tfplugin5");
    mkdirSync(proto, { recursive: true });
    copyFileSync(join(sources, "tfprotov5/internal/tfplugin5/tfplugin5.proto"), join(proto, "tfplugin5.proto"));
    const descriptors = join(inject("goFolder"), "tfplugin5.binpb");
    execFileSync("npx", ["buf", "build", proto, "--output", descriptors]);
    const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors))).getService(
      "tfplugin5.Provider",
    );
    return required(service);
  }

  test("is loaded with automatic TLS and describes its schema", { timeout: 600_000 }, async () => {
    const command = await buildGo(folder, "github.com/hashicorp/terraform-provider-time");
    await using host = new Host();
    const loaded = await host.load({
      command: [command],
      handshake: {
        cookie: {
          key: "TF_PLUGIN_MAGIC_COOKIE",
          value: "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
        },
        protocolVersions: [5],
      },
      tls: "auto",
      onLog: () => {},
    });
    expect(loaded.protocolVersion).toBe(5);
    const service = providerService();
    const method = required(service.method.getSchema) as DescMethodUnary;
    const { message } = await loaded.transport.unary(method, undefined, undefined, {}, {});
    expect(message).toMatchObject({ diagnostics: [] });
    expect(Object.keys(Object(message).resourceSchemas).sort()).toEqual([
      "time_offset",
      "time_rotating",
      "time_sleep",
      "time_static",
    ]);
  });
});

/** What the provider's contract has to have. */
function required<T>(found: T | undefined): T {
  if (found === undefined) {
    throw new Error("the contract is another");
  }
  return found;
}
