import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { clientCredentials, readServerTls } from "../../../src/node/tls/credentials.ts";
import { secureClient } from "../../../src/node/tls/secure-client.ts";
import { createSecureServer } from "../../../src/node/tls/secure-server.ts";
import { makeCertificate } from "../../support/tls/certificates.ts";

const certificate = await makeCertificate();

afterEach(() => vi.unstubAllEnvs());

async function withServer<T>(
  onConnection: (socket: net.Socket) => unknown,
  run: (connection: net.Socket) => Promise<T>,
): Promise<T> {
  const server = net.createServer(onConnection).listen(0, "127.0.0.1");
  await once(server, "listening");
  const info = server.address();
  const connection = net.connect(typeof info === "object" && info !== null ? info.port : 0, "127.0.0.1");
  try {
    await once(connection, "connect");
    return await run(connection);
  } finally {
    connection.destroy();
    server.close();
  }
}

test("a connection that breaks while the certificates are read is an error of the call, and of nothing else", async () => {
  const directory = mkdtempSync(join(tmpdir(), "slow-file-"));
  // No one gets to the end of it before something is written.
  const slow = join(directory, "roots.pem");
  execFileSync("mkfifo", [slow]);
  let theirs: net.Socket | undefined;
  const secured = withServer(
    (socket) => {
      theirs = socket;
    },
    async (connection) => {
      const client = secureClient(connection, clientCredentials({ roots: pathToFileURL(slow).href }));
      client.catch(() => undefined);
      await vi.waitFor(() => expect(theirs).toBeDefined());
      theirs?.resetAndDestroy();
      await vi.waitFor(() => expect(connection.destroyed).toBe(true));
      writeFileSync(slow, certificate.certificate);
      return await client;
    },
  );
  await expect(secured).rejects.toMatchObject({
    errorCode: "PB-TLS-FAILED",
    rawMessage: expect.stringContaining("ECONNRESET"),
  });
  rmSync(directory, { recursive: true });
});

test("who is not trusted stays so, whatever NODE_TLS_REJECT_UNAUTHORIZED says", async () => {
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  const another = await makeCertificate();
  const { wrapTls } = createSecureServer(await readServerTls(another));
  const secured = withServer(
    (socket) => wrapTls(socket).catch(() => undefined),
    (connection) => secureClient(connection, clientCredentials({ roots: certificate.certificate })),
  );
  await expect(secured).rejects.toMatchObject({ errorCode: "PB-TLS-UNTRUSTED" });
});
