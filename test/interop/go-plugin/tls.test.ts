import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ClientTls } from "plugboard";
import type { LoadOptions } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createThrowawayCertificate } from "../../../src/node/tls/throwaway-certificate.ts";
import { PingPong, PongResponseSchema, Test } from "../../gen/interop/goplugin/grpctest_pb.ts";
import { startGoHost } from "./go-host.ts";
import { goProgram, lacksGo } from "./go-programs.ts";

const script = join(import.meta.dirname, "plugins/test.ts");
const command = [process.execPath, "--conditions=plugboard-source", script] as const;

describe.skipIf(lacksGo)(
  "TLS with programs made with go-plugin, for which go has to be on PATH,",
  {
    timeout: 300_000,
  },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "go-tls-"));
    const file = (name: string) => join(folder, name);
    let certificates: Required<Omit<ClientTls, "serverName">>;
    beforeAll(async () => {
      const { certificate, key } = await createThrowawayCertificate();
      writeFileSync(file("cert.pem"), certificate);
      writeFileSync(file("key.pem"), key);
      writeFileSync(file("ca.pem"), certificate);
      certificates = { certificate, key, roots: certificate };
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    describe("a host of go-plugin's", () => {
      const fromFiles = {
        PLUGIN_SERVER_CERT: pathToFileURL(file("cert.pem")).href,
        PLUGIN_SERVER_KEY: pathToFileURL(file("key.pem")).href,
        PLUGIN_CLIENT_ROOT_CERTS: pathToFileURL(file("ca.pem")).href,
      };

      test.each<[string, readonly string[], Record<string, string>]>([
        ["with AutoMTLS", ["-auto-mtls"], {}],
        ["with AutoMTLS, within the one connection", ["-auto-mtls", "-multiplex"], {}],
        ["with AutoMTLS, though there are other certificates in the environment", ["-auto-mtls"], fromFiles],
        ["with certificates from files", ["-tls", folder], fromFiles],
        ["with certificates from files, within the one connection", ["-tls", folder, "-multiplex"], fromFiles],
      ])("a host of go-plugin's and our plugin call each other, by the broker, too, %s", async (_, args, env) => {
        await using host = await startGoHost([...args, "--", ...command], { TMPDIR: folder, ...env });
        expect(await host.call(Test.method.double, { input: 21 })).toMatchObject({ output: 42 });
        const pong = Buffer.from(toBinary(PongResponseSchema, create(PongResponseSchema, { msg: "pong" })));
        const { broker: offered = 0 } = await host.tell("serve", { data: pong.toString("base64") });
        const { id } = await host.call(Test.method.bidirectional, { id: offered });
        expect(await host.call(PingPong.method.ping, {}, id)).toMatchObject({ msg: "pong and back" });
        expect(await host.tell("kill")).toMatchObject({ exited: true });
      });

      test("over TCP calls our plugin with AutoMTLS", async () => {
        const env = { TMPDIR: folder, PLUGIN_SERVER_TRANSPORTS: "tcp" };
        await using host = await startGoHost(["-auto-mtls", "--", ...command], env);
        expect(await host.call(Test.method.double, { input: 21 })).toMatchObject({ output: 42 });
      });

      test("without TLS is told by our plugin that speaks nothing else", async () => {
        await using host = await startGoHost(["--", ...command], { TMPDIR: folder, ...fromFiles });
        await expect(host.call(Test.method.double, { input: 21 })).rejects.toMatchObject({
          message: expect.stringContaining("PB-TLS-REQUIRED"),
        });
      });

      test("with a certificate that our plugin does not trust is told so", async () => {
        const { certificate } = await createThrowawayCertificate();
        const env = { TMPDIR: folder, ...fromFiles, PLUGIN_CLIENT_ROOT_CERTS: certificate };
        await using host = await startGoHost(["-tls", folder, "--", ...command], env);
        await expect(host.call(Test.method.double, { input: 21 })).rejects.toMatchObject({
          message: expect.stringContaining("PB-TLS-REFUSED"),
        });
      });
    });

    describe("a plugin of go-plugin's", () => {
      const load = async (host: Host, options: Partial<LoadOptions>) =>
        host.load({
          command: [await goProgram("./plugin")],
          handshake: { cookie: { key: "PLUGBOARD_INTEROP", value: "go" } },
          onOutput() {},
          onLog() {},
          ...options,
        });
      const ownCertificates = { INTEROP_TLS: folder };

      test.each<[string, () => Partial<LoadOptions>]>([
        ["with automatic TLS", () => ({ tls: "auto" })],
        ["with certificates of both sides", () => ({ tls: certificates, env: ownCertificates })],
      ])("a plugin of go-plugin's and our host call each other, by the broker, too, %s", async (_, options) => {
        await using host = new Host();
        const plugin = await load(host, options());
        expect(plugin.routes.unary.routes[0]).toMatchObject({ name: "unix+grpc", endpoint: { encrypted: true } });
        const client = plugin.client(Test);
        expect(await client.double({ input: 21 })).toMatchObject({ output: 42 });
        const served = await plugin.broker?.serve((router) =>
          router.service(PingPong, { ping: () => ({ msg: "pong" }) }),
        );
        const { id } = await client.bidirectional({ id: served?.id ?? 0 });
        await using dialled = await plugin.broker?.dial(id);
        expect(dialled).toBeDefined();
        await plugin.close();
        expect(await plugin.exited).toMatchObject({ code: 0 });
      });

      test("with certificates of its own that makes none for us is refused", async () => {
        await using host = new Host();
        await expect(load(host, { tls: "auto", env: ownCertificates })).rejects.toMatchObject({
          errorCode: "PB-HANDSHAKE-CERTIFICATE-MISSING",
        });
      });

      test.each<[string, string, () => Promise<Partial<ClientTls>>]>([
        [
          "a certificate that we don't trust",
          "PB-TLS-UNTRUSTED",
          async () => {
            const { certificate } = await createThrowawayCertificate();
            return { roots: certificate };
          },
        ],
        ["another name", "PB-TLS-NAME", async () => ({ serverName: "plugin.example.com" })],
        [
          "no trust in our certificate",
          "PB-TLS-REFUSED",
          async () => {
            const { certificate, key } = await createThrowawayCertificate();
            return { certificate, key };
          },
        ],
        ["TLS alone, of a plugin that speaks none", "PB-TLS-NOT-SPOKEN", async () => ({})],
      ])("with %s is refused by %s", async (_, errorCode, change) => {
        await using host = new Host();
        const tls = { ...certificates, ...(await change()) };
        const env = errorCode === "PB-TLS-NOT-SPOKEN" ? {} : ownCertificates;
        await expect(load(host, { tls, env })).rejects.toMatchObject({ errorCode });
      });

      test("a plugin that wants a certificate of ours is refused without one", async () => {
        await using host = new Host();
        await expect(load(host, { tls: { roots: certificates.roots }, env: ownCertificates })).rejects.toMatchObject({
          errorCode: "PB-TLS-CLIENT-CERTIFICATE",
        });
      });
    });
  },
);
