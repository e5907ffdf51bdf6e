import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ClientTls, Requirements } from "plugboard";
import type { LoadOptions } from "plugboard/node";
import { connect, Host } from "plugboard/node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { derToField } from "../../src/node/tls/pem.ts";
import type { ThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { expectNoLeftovers } from "../support/leftovers.ts";

const command = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;
const misbehave = (line: string) => ["node", "test/host/fixtures/misbehave.ts", "print", line] as const;

afterEach(() => vi.unstubAllEnvs());

async function load(host: Host, options: Partial<LoadOptions>) {
  const loaded = await host.load({ command, onOutput() {}, ...options });
  expect(await loaded.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  return loaded;
}

describe('with tls: "auto"', () => {
  expectNoLeftovers();

  test.each<[string, Requirements]>([
    ["ttrpc", {}],
    ["grpc", { protocols: ["grpc"] }],
    ["connect", { protocols: ["connect"] }],
  ])("host and plugin speak TLS by %s, on Unix sockets and on TCP", async (name, require) => {
    await using host = new Host();
    for (const transport of ["unix", "tcp"]) {
      const env = { PLUGIN_SERVER_TRANSPORTS: transport };
      const loaded = await load(host, { tls: "auto", env, require: { ...require, encryption: true } });
      expect(loaded.routes.unary.routes[0]?.name).toBe(`${transport}+${name}`);
    }
  });

  test("a plugin on TCP takes the first free port of those that the host allows", async () => {
    const taken = createServer();
    await once(taken.listen(0, "127.0.0.1"), "listening");
    const { port } = taken.address() as { port: number };
    await using host = new Host();
    const env = {
      PLUGIN_SERVER_TRANSPORTS: "tcp",
      PLUGIN_MIN_PORT: String(port),
      PLUGIN_MAX_PORT: String(Math.min(port + 50, 65_535)),
    };
    const loaded = await load(host, { tls: "auto", env });
    const chosen = Number(loaded.routes.unary.routes[0]?.endpoint.address.text.replace(/^.*:/, ""));
    expect(chosen).toBeGreaterThan(port);
    expect(chosen).toBeLessThanOrEqual(port + 50);
    const env1 = { ...env, PLUGIN_MAX_PORT: String(port) };
    await expect(load(host, { tls: "auto", env: env1 })).rejects.toMatchObject({
      message: expect.stringMatching(/PB-LISTEN-FAILED.*EADDRINUSE/),
    });
    taken.close();
  });

  test("no one else can call the plugin, with TLS or without", async () => {
    await using host = new Host();
    const loaded = await load(host, { tls: "auto" });
    const address = loaded.routes.unary.routes[0]?.endpoint.address.text ?? "";
    const { certificate, key } = await createThrowawayCertificate();
    await expect(connect(address)).rejects.toMatchObject({ errorCode: "PB-TLS-REQUIRED" });
    await expect(connect(address, { tls: {} })).rejects.toMatchObject({ errorCode: "PB-TLS-UNTRUSTED" });
    await expect(connect(address, { tls: { certificate, key, roots: certificate } })).rejects.toMatchObject({
      errorCode: "PB-TLS-UNTRUSTED",
    });
  });

  test("a plugin that makes no certificate is refused", async () => {
    await using host = new Host();
    await expect(load(host, { tls: "auto", command: misbehave("1|1|unix|/x|grpc|") })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-CERTIFICATE-MISSING",
    });
    // One of ours that must not respond.
    const env = { PLUGIN_AUTO_MTLS: "false" };
    await expect(load(host, { tls: "auto", env })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-CERTIFICATE-MISSING",
      message: expect.stringMatching(/autoMtls \(PLUGIN_AUTO_MTLS\) is off/),
    });
  });

  test("one whose certificate can't be read is refused", async () => {
    await using host = new Host();
    const loading = load(host, { tls: "auto", command: misbehave(`1|1|unix|/x|grpc|${"A".repeat(600)}`) });
    await expect(loading).rejects.toMatchObject({ errorCode: "PB-HANDSHAKE-INVALID" });
  });

  test("one that has made a certificate is refused where no one has asked for it", async () => {
    await using host = new Host();
    const { der, certificate } = await createThrowawayCertificate();
    const line = `1|1|unix|/x|grpc|${derToField(der)}`;
    for (const tls of [undefined, { roots: certificate }]) {
      await expect(load(host, { ...(tls && { tls }), command: misbehave(line) })).rejects.toMatchObject({
        errorCode: "PB-HANDSHAKE-CERTIFICATE-UNASKED",
      });
    }
  });

  test.each(["192.0.2.1:4000", "[2001:db8::1]:4000", "plugin.example:4000"])(
    "one that says that it listens beyond this machine, at %s, is refused and not called",
    async (place) => {
      await using host = new Host();
      const { der } = await createThrowawayCertificate();
      const loading = load(host, { tls: "auto", command: misbehave(`1|1|tcp|${place}|grpc|${derToField(der)}`) });
      await expect(loading).rejects.toMatchObject({
        errorCode: "PB-HANDSHAKE-UNSUPPORTED",
        message: expect.stringContaining(`beyond this machine, at ${place}`),
      });
    },
  );

  test("a host that is not to make certificates says so", async () => {
    await using host = new Host({ autoMtls: false });
    await expect(load(host, { tls: "auto" })).rejects.toMatchObject({ errorCode: "PB-SETTING-INVALID" });
  });
});

test("a plugin that speaks TLS alone is reported with a hint at the host's own option", async () => {
  await using host = new Host();
  const { certificate, key } = await createThrowawayCertificate();
  const env = { PLUGIN_SERVER_CERT: certificate, PLUGIN_SERVER_KEY: key };
  await expect(load(host, { env })).rejects.toMatchObject({
    errorCode: "PB-TLS-REQUIRED",
    hint: expect.stringContaining("host.load the option `tls`"),
  });
});

describe("with certificates from the environment", () => {
  let directory: string;
  let server: ThrowawayCertificate;
  let client: ThrowawayCertificate;
  let plugin: Record<string, string>;
  let files: Record<string, string>;
  let tls: ClientTls;
  const file = (name: string, content: string) => {
    writeFileSync(join(directory, name), content);
    return pathToFileURL(join(directory, name)).href;
  };
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "host-tls-"));
    [server, client] = await Promise.all([createThrowawayCertificate(), createThrowawayCertificate()]);
    plugin = {
      PLUGIN_SERVER_CERT: server.certificate,
      PLUGIN_SERVER_KEY: server.key,
      PLUGIN_CLIENT_ROOT_CERTS: client.certificate,
    };
    files = {
      PLUGIN_CLIENT_CERT: file("client.pem", client.certificate),
      PLUGIN_CLIENT_KEY: file("client.key", client.key),
      PLUGIN_SERVER_ROOT_CERTS: file("server.pem", server.certificate),
    };
    tls = { certificate: client.certificate, key: client.key, roots: server.certificate };
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("of the plugin, and from the program of the host, they speak TLS", async () => {
    await using host = new Host();
    const loaded = await load(host, { tls, env: plugin });
    expect(loaded.routes.unary.routes[0]?.endpoint.encrypted).toBe(true);
  });

  test("of both sides they speak TLS, on TCP, too", async () => {
    for (const [name, value] of Object.entries(files)) {
      vi.stubEnv(name, value);
    }
    await using host = new Host();
    await load(host, { env: plugin });
    await load(host, { env: { ...plugin, PLUGIN_SERVER_TRANSPORTS: "tcp" } });
    // What the program says goes before.
    await load(host, { tls: "auto" });
  });

  test("a host's certificate without a key is not its own: it is that of a host above it", async () => {
    vi.stubEnv("PLUGIN_CLIENT_CERT", client.certificate);
    await using host = new Host();
    const loaded = await load(host, {});
    expect(loaded.routes.unary.routes[0]?.endpoint.encrypted).toBe(false);
  });

  test("a plugin's environment has neither the certificate of its host nor the key", async () => {
    vi.stubEnv("PLUGIN_CLIENT_CERT", files.PLUGIN_CLIENT_CERT);
    vi.stubEnv("PLUGIN_CLIENT_KEY", client.key);
    await using host = new Host();
    const loaded = await host.load({
      command: ["node", "--conditions=plugboard-source", "test/host/fixtures/tell-environment.ts"],
      tls,
      env: plugin,
    });
    const { html } = await loaded.client(MarkdownService).render({});
    expect(html).toContain("PLUGIN_SERVER_CERT");
    expect(html).not.toMatch(/PLUGIN_CLIENT_(CERT|KEY)/);
  });

  test.each<[string, () => Record<string, string>, string]>([
    [
      "a key of another certificate",
      () => ({ PLUGIN_SERVER_KEY: client.key }),
      "PB-TLS-KEY: the key in PLUGIN_SERVER_KEY",
    ],
    [
      "no key",
      () => ({ PLUGIN_SERVER_KEY: "" }),
      "PB-TLS-UNREADABLE: PLUGIN_SERVER_CERT is given, but not PLUGIN_SERVER_KEY",
    ],
    [
      "a file that is not there",
      () => ({ PLUGIN_SERVER_KEY: "file:///no/such.key" }),
      "PB-TLS-UNREADABLE: the file of PLUGIN_SERVER_KEY",
    ],
    [
      "roots that are none",
      () => ({ PLUGIN_CLIENT_ROOT_CERTS: server.key }),
      "PB-TLS-UNREADABLE: PLUGIN_CLIENT_ROOT_CERTS contains no",
    ],
  ])("a plugin with %s says so, and no secret, and ends", async (_, wrong, message) => {
    await using host = new Host();
    const error: unknown = await load(host, { tls, env: { ...plugin, ...wrong() } }).catch((error: unknown) => error);
    expect(error).toMatchObject({ errorCode: "PB-HANDSHAKE-EXITED", message: expect.stringContaining(message) });
    for (const { key } of [server, client]) {
      expect(String(error)).not.toContain(key.split("\n")[1]);
    }
  });

  test("a host attaches itself to a plugin that stands alone", async () => {
    await using host = new Host();
    const loaded = await load(host, { tls, env: plugin });
    const address = loaded.routes.unary.routes[0]?.endpoint.address.text ?? "";
    await using again = await host.reattach({ pid: loaded.pid, address }, { tls });
    expect(await again.client(BehaviourService).echo({ text: "again" })).toMatchObject({ text: "again" });
  });
});
