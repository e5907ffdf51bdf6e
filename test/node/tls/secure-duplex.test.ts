import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import type { ClientTls, ServerTls } from "plugboard";
import { expect, test } from "vitest";
import { clientCredentials, readServerTls } from "../../../src/node/tls/credentials.ts";
import { secureClient } from "../../../src/node/tls/secure-client.ts";
import { createSecureServer } from "../../../src/node/tls/secure-server.ts";
import { createThrowawayCertificate } from "../../../src/node/tls/throwaway-certificate.ts";

/** Two ends of a connection that is no socket, as streams within another connection are. */
function pair(): readonly [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const make = (other: number) =>
    new Duplex({
      read() {},
      write(chunk, _, done) {
        ends[other]?.push(chunk);
        done();
      },
      final(done) {
        ends[other]?.push(null);
        done();
      },
      destroy(error, done) {
        ends[other]?.destroy();
        done(error);
      },
    });
  const [a, b] = [make(1), make(0)];
  ends.push(a, b);
  return [a, b];
}

async function asServer(connection: Duplex, tls: ServerTls) {
  return createSecureServer(await readServerTls(tls)).wrapTls(connection);
}

function asClient(connection: Duplex, tls: ClientTls) {
  return secureClient(connection, clientCredentials(tls));
}

test("TLS goes over whatever carries bytes in both directions, and agrees on h2", async () => {
  const [ours, theirs] = await Promise.all([createThrowawayCertificate(), createThrowawayCertificate()]);
  const [a, b] = pair();
  const [server, client] = await Promise.all([
    asServer(a, { ...ours, clientRoots: theirs.certificate }),
    asClient(b, { ...theirs, roots: ours.certificate }),
  ]);
  expect([server.alpnProtocol, client.alpnProtocol]).toEqual(["h2", "h2"]);
  expect(client.getProtocol()).toBe("TLSv1.3");
  client.end("from the client");
  expect(await text(server)).toBe("from the client");
  server.end("from the server");
  expect(await text(client)).toBe("from the server");
});

test("either side closes the connection to one that it does not trust", async () => {
  const [ours, theirs, other] = await Promise.all([1, 2, 3].map(() => createThrowawayCertificate()));
  if (ours === undefined || theirs === undefined || other === undefined) {
    throw new Error("there are three");
  }
  const [a, b] = pair();
  const [server, client] = await Promise.allSettled([
    asServer(a, { ...ours, clientRoots: theirs.certificate }),
    asClient(b, { ...theirs, roots: other.certificate }),
  ]);
  expect(client).toMatchObject({ status: "rejected", reason: { errorCode: "PB-TLS-UNTRUSTED" } });
  expect(b.destroyed).toBe(true);
  a.destroy();
  if (server.status === "fulfilled") {
    server.value.destroy();
  }

  const [c, d] = pair();
  const [refusing] = await Promise.allSettled([
    asServer(c, { ...ours, clientRoots: theirs.certificate }),
    asClient(d, { ...other, roots: ours.certificate }),
  ]);
  expect(refusing).toMatchObject({ status: "rejected", reason: { errorCode: "PB-TLS-UNTRUSTED" } });
  c.destroy();
  d.destroy();
});
