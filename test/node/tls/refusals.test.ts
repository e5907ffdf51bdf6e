import type { ClientTls, ErrorCode, Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { days, makeCertificate } from "../../support/tls/certificates.ts";
import { makeParties } from "../../support/tls/parties.ts";
import { startListener } from "../../support/tls/start-listener.ts";
import { ways } from "../../support/tls/strategies.ts";

const { server, other, mutual, trusted } = await makeParties();

describe.each(["unix", "tcp"] as const)("over %s", (carrier) => {
  describe.each<[string, Requirements | undefined]>([["whatever works", undefined], ...ways])("by %s", (_, require) => {
    /** Tries to connect, and what the caller and the server say of it. */
    async function attempt(serverTls: Parameters<typeof startListener>[1], clientTls: ClientTls | undefined) {
      await using listener = await startListener(carrier, serverTls);
      const error: unknown = await connect(listener.address, {
        ...(clientTls && { tls: clientTls }),
        ...(require && { require }),
      }).catch((error: unknown) => error);
      expect(listener.handled).toEqual([]);
      return { error, refused: listener.refused };
    }
    const caller = (errorCode: ErrorCode) => ({ errorCode, message: expect.stringContaining(errorCode) });

    test("a server with a certificate that is not trusted is refused", async () => {
      const { error } = await attempt(mutual(), { ...trusted(), roots: other.certificate });
      expect(error).toMatchObject(caller("PB-TLS-UNTRUSTED"));
    });

    test("one that only Node's own roots could vouch for is refused, too", async () => {
      const { error } = await attempt(server, {});
      expect(error).toMatchObject(caller("PB-TLS-UNTRUSTED"));
    });

    test("one whose certificate has expired is refused", async () => {
      const expired = await makeCertificate({ notBefore: days(-2), notAfter: days(-1) });
      const { error } = await attempt(expired, { roots: expired.certificate });
      expect(error).toMatchObject(caller("PB-TLS-EXPIRED"));
    });

    test("one whose certificate is not valid yet is refused", async () => {
      const early = await makeCertificate({ notBefore: days(1), notAfter: days(2) });
      const { error } = await attempt(early, { roots: early.certificate });
      expect(error).toMatchObject(caller("PB-TLS-NOT-YET-VALID"));
    });

    test("one whose certificate carries another name is refused", async () => {
      const named = await makeCertificate({ name: "plugin.example.com" });
      const { error } = await attempt(named, { roots: named.certificate });
      expect(error).toMatchObject(caller("PB-TLS-NAME"));
    });

    test("a client without a certificate is refused, and both sides know", async () => {
      const { error, refused } = await attempt(mutual(), { roots: server.certificate });
      expect(error).toMatchObject(caller("PB-TLS-CLIENT-CERTIFICATE"));
      expect(refused).toEqual(["PB-TLS-CLIENT-CERTIFICATE"]);
    });

    test("a client whose certificate is not trusted is refused, and both sides know", async () => {
      const { error, refused } = await attempt(mutual(), { ...trusted(), ...other });
      expect(error).toMatchObject(caller("PB-TLS-REFUSED"));
      expect(refused).toEqual(["PB-TLS-UNTRUSTED"]);
    });

    test("a client whose certificate has expired is refused, and both sides know", async () => {
      const expired = await makeCertificate({ notBefore: days(-2), notAfter: days(-1) });
      const { error, refused } = await attempt(
        { ...server, clientRoots: expired.certificate },
        { ...expired, roots: server.certificate },
      );
      expect(error).toMatchObject(caller("PB-TLS-REFUSED"));
      expect(refused).toEqual(["PB-TLS-EXPIRED"]);
    });

    test("a client that speaks no TLS is refused where TLS is spoken, and both sides know", async () => {
      const { error, refused } = await attempt(mutual(), undefined);
      expect(error).toMatchObject(caller("PB-TLS-REQUIRED"));
      expect(refused).toEqual(["PB-TLS-REQUIRED"]);
    });

    test("a client that speaks TLS is refused where none is spoken", async () => {
      const { error } = await attempt(undefined, trusted());
      expect(error).toMatchObject(caller("PB-TLS-NOT-SPOKEN"));
    });

    test("a key of another certificate is noticed, and never shown", async () => {
      const { error } = await attempt(mutual(), { ...trusted(), key: other.key });
      expect(error).toMatchObject(caller("PB-TLS-KEY"));
      expect(JSON.stringify([String(error), error])).not.toContain(other.key.slice(30, 60));
    });
  });
});
