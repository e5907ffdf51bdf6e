import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { defaultLog } from "../../../src/base/log.ts";
import { parseHandshake } from "../../../src/go-plugin/handshake.ts";
import { readSettings } from "../../../src/go-plugin/settings/read.ts";
import { secureConnections } from "../../../src/go-plugin/tls/broker-tls.ts";
import { prepareTls } from "../../../src/go-plugin/tls/host-tls.ts";
import { readClientTls, readServerTls } from "../../../src/node/tls/credentials.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { echoAs, modes, startPair } from "../../support/go-plugin/broker-pair.ts";
import { makeCertificate } from "../../support/tls/certificates.ts";

/** A certificate for either end, which trusts itself alone. */
function makeIdentity(): { cert: string; key: string } {
  const directory = mkdtempSync(join(tmpdir(), "identity-"));
  const file = (name: string) => join(directory, name);
  try {
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"],
        ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        ...["-keyout", file("key.pem"), "-out", file("cert.pem")],
      ],
      { stdio: "pipe" },
    );
    return { cert: readFileSync(file("cert.pem"), "utf8"), key: readFileSync(file("key.pem"), "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** TLS in both roles, by Node alone. */
function secureBy(own: { cert: string; key: string }, trusted: { cert: string }) {
  const options = { ...own, ca: trusted.cert, ALPNProtocols: ["h2"] };
  return {
    async server(connection: Duplex): Promise<Duplex> {
      const server = tls.createServer({ ...options, requestCert: true, rejectUnauthorized: true });
      const secured = once(server, "secureConnection");
      const failed = once(server, "tlsClientError").then(([error]) => {
        throw error;
      });
      failed.catch(() => undefined);
      server.emit("connection", connection);
      const [socket] = (await Promise.race([secured, failed])) as [tls.TLSSocket];
      return socket;
    },
    async client(connection: Duplex): Promise<Duplex> {
      const socket = tls.connect({ ...options, socket: connection, servername: "localhost" });
      await once(socket, "secureConnect");
      return socket;
    },
  };
}

const identity = makeIdentity();

test.each(modes)("a broker, %s, speaks TLS where it is given it, in both directions", async (mode) => {
  await using pair = await startPair(mode, { secure: secureBy(identity, identity) });
  for (const [caller, callee] of [
    [pair.host, pair.plugin],
    [pair.plugin, pair.host],
  ] as const) {
    await using server = await callee.broker.serve(echoAs("secured"));
    await using dialled = await caller.broker.dial(server.id);
    const data = new Uint8Array(500_000).fill(3);
    const response = await createClient(BehaviourService, dialled.transport).echo({ text: "hello", data });
    expect(response.text).toBe("secured: hello");
    expect(Buffer.compare(response.data, data)).toBe(0);
  }
});

test.each(modes)("a broker, %s, makes no connection to who has another certificate", async (mode) => {
  const stranger = makeIdentity();
  const { server } = secureBy(identity, identity);
  const { client } = secureBy(stranger, stranger);
  await using pair = await startPair(mode, { secure: { server, client } });
  await using served = await pair.plugin.broker.serve(echoAs("secured"));
  await expect(pair.host.broker.dial(served.id)).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
});

test.each(modes)("a broker, %s, tells whom it does not trust why it does not serve them", async (mode) => {
  const [ours, theirs] = await Promise.all([makeCertificate(), makeCertificate()]);
  const { server } = secureConnections(await readServerTls({ ...ours, clientRoots: ours.certificate }));
  const { client } = secureConnections(await readClientTls({ ...theirs, roots: ours.certificate }));
  await using pair = await startPair(mode, { secure: { ...(server && { server }), client } });
  await using served = await pair.host.broker.serve(echoAs("host"));
  await using dialled = await pair.plugin.broker.dial(served.id);
  const call = createClient(BehaviourService, dialled.transport).echo({ text: "hi" });
  await expect(call).rejects.toThrow("PB-TLS-REFUSED");
});

test("a host's end without a certificate says that it can't serve", async () => {
  const { certificate } = await makeCertificate();
  const tls = await prepareTls({ roots: certificate }, readSettings("host", {}, {}), defaultLog);
  const agreed = await tls?.agreeOn(parseHandshake("1|1|unix|/tmp/p.sock|grpc|"));
  await using pair = await startPair("classic", { ...(agreed && { secure: agreed.secure }) });
  await expect(pair.host.broker.serve(echoAs("host"))).rejects.toMatchObject({
    errorCode: "PB-TLS-CLIENT-CERTIFICATE",
  });
});
