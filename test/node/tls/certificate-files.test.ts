import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ClientTls } from "plugboard";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { makeCertificate } from "../../support/tls/certificates.ts";
import { makeParties } from "../../support/tls/parties.ts";
import { startListener } from "../../support/tls/start-listener.ts";

const { server, client } = await makeParties();

describe("files", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "tls-files-"));
  });
  afterAll(() => rm(directory, { recursive: true }));
  const write = (name: string, content: string) => {
    writeFileSync(join(directory, name), content);
    return pathToFileURL(join(directory, name)).href;
  };

  test("can hold certificates and keys of both sides", async () => {
    const another = await makeCertificate({ name: "another.example.com" });
    await using listener = await startListener("unix", {
      certificate: write("server.pem", server.certificate),
      key: write("server.key", server.key),
      clientRoots: write("clients.pem", `${another.certificate}\n${client.certificate}`),
    });
    const tls = {
      certificate: write("client.pem", client.certificate),
      key: write("client.key", client.key),
      roots: write("roots.pem", `${another.certificate}\n${server.certificate}`),
    };
    await using connection = await connect(listener.address, { tls });
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });

  test.each<[string, () => ClientTls, string]>([
    ["a file that is not there", () => ({ roots: "file:///no/such.pem" }), "the file of tls.roots can't be read"],
    [
      "a file without a certificate",
      () => ({ roots: write("empty.pem", "nothing") }),
      "tls.roots contains no certificate",
    ],
    ["a path", () => ({ ...client, key: "/etc/client.key" }), "tls.key is neither PEM nor a file:// URL"],
    [
      "a certificate that is torn",
      () => ({ roots: server.certificate.replace("A", "") }),
      "tls.roots contains no certificate",
    ],
    ["a certificate for a key", () => ({ ...client, key: client.certificate }), "tls.key contains no private key"],
    ["a certificate alone", () => ({ certificate: client.certificate }), "tls.certificate is given, but not tls.key"],
    ["a key alone", () => ({ key: client.key }), "tls.key is given, but not tls.certificate"],
  ])("are refused by PB-TLS-UNREADABLE: %s", async (_, tls, message) => {
    await using listener = await startListener("unix", server);
    await expect(connect(listener.address, { tls: tls() })).rejects.toMatchObject({
      errorCode: "PB-TLS-UNREADABLE",
      message: expect.stringContaining(message),
    });
  });

  test("keys are not shown, however they are spoilt", async () => {
    const secret = server.key.split("\n")[1] ?? "";
    for (const key of [secret, server.key.replace("M", ""), `${server.key.slice(0, -40)}`]) {
      const error: unknown = await startListener("unix", { ...server, key }).catch((error: unknown) => error);
      expect(error).toMatchObject({ errorCode: "PB-TLS-UNREADABLE" });
      expect(JSON.stringify([String(error), error, (error as Error).stack])).not.toContain(secret.slice(5, 25));
    }
  });
});
