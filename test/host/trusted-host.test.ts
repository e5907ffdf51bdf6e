import { connect, Host } from "plugboard/node";
import { expect, test } from "vitest";
import { NotesService } from "../../examples/gen/examples/notes/v1/notes_pb.ts";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";

const command = ["node", "--conditions=plugboard-source", "test/host/fixtures/guarded-notes.ts"] as const;
const token = "0123456789abcdef0123456789abcdef";
const options = { command, onOutput() {} };

/** For a plugin at an endpoint of its own, and callers with a certificate that it takes. */
async function withCertificates() {
  const [server, client] = await Promise.all([createThrowawayCertificate(), createThrowawayCertificate()]);
  const env = {
    PLUGIN_SERVER_ENDPOINT: "tcp:127.0.0.1:0",
    PLUGIN_SERVER_CERT: server.certificate,
    PLUGIN_SERVER_KEY: server.key,
    PLUGIN_CLIENT_ROOT_CERTS: client.certificate,
  };
  const tls = { certificate: client.certificate, key: client.key, roots: server.certificate, serverName: "localhost" };
  return { env, tls };
}

test("at an endpoint of its own a plugin with auth lets no one in for a certificate alone, its host neither", async () => {
  const { env, tls } = await withCertificates();
  await using host = new Host();
  const loaded = await host.load({ ...options, env: { ...env, NOTES_BEARER: token }, tls, token });
  expect(await loaded.client(NotesService).add({ text: "hi" })).toMatchObject({ note: { author: "the host" } });

  const address = loaded.routes.unary.routes[0]?.endpoint.address.text ?? "";
  await using stranger = await connect(address, { tls });
  await using untold = await host.load({ ...options, env: { ...env, NOTES_BEARER: token }, tls });
  for (const caller of [stranger, untold]) {
    await expect(caller.client(NotesService).add({ text: "hi" })).rejects.toMatchObject({
      rawMessage: expect.stringMatching(/^PB-CALLER-REFUSED.*\n.*host\.load\(\)/),
    });
  }
});

test("a plugin with auth that was given a configuration says that its host lacks a token", async () => {
  const { env, tls } = await withCertificates();
  await using host = new Host();
  const guarded = { ...options, env: { ...env, NOTES_BEARER: token }, tls, config: {} };
  await expect(host.load(guarded)).rejects.toMatchObject({
    errorCode: "PB-CALLER-REFUSED",
    hint: expect.stringContaining("`token`"),
  });
  await host.load({ ...guarded, token });
});

test("where no one else can call, the host is trusted without a token", async () => {
  await using host = new Host();
  const env = { NOTES_BEARER: token };
  for (const own of [{ env }, { env: { ...env, PLUGIN_SERVER_TRANSPORTS: "tcp" }, tls: "auto" as const }]) {
    const loaded = await host.load({ ...options, ...own });
    expect(await loaded.client(NotesService).add({ text: "hi" })).toMatchObject({ note: { author: "anonymous" } });
    await loaded.close();
  }
});

test("a contract that requires scopes is not served without auth where others can call", async () => {
  const { env, tls } = await withCertificates();
  await using host = new Host();
  const loading = host.load({ ...options, env, tls });
  await expect(loading).rejects.toMatchObject({ cause: { errorCode: "PB-ACCESS-UNGUARDED" } });
});
