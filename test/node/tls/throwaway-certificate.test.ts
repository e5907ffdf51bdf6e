import { createPrivateKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { derToField, fieldToPem } from "../../../src/node/tls/pem.ts";
import { createThrowawayCertificate } from "../../../src/node/tls/throwaway-certificate.ts";

test("a throw-away certificate is what go-plugin makes, but of P-256: its own root, for localhost, for both sides", async () => {
  const { certificate, key, der } = await createThrowawayCertificate();
  const read = new X509Certificate(certificate);
  expect(read.raw.equals(der)).toBe(true);
  expect(read.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: "prime256v1" });
  expect(read.ca).toBe(true);
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.issuer).toBe(read.subject);
  expect(read.subject.split("\n")).toContain("CN=localhost");
  expect(read.subjectAltName).toBe("DNS:localhost");
  // Server and client authentication.
  expect(read.keyUsage).toEqual(expect.arrayContaining(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]));
  expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
});

test("it is valid already, on a machine whose clock is late, too, and for as long as a process may run", async () => {
  const read = new X509Certificate((await createThrowawayCertificate()).certificate);
  const [from, to, now] = [Date.parse(read.validFrom), Date.parse(read.validTo), Date.now()];
  expect(now - from).toBeGreaterThan(20_000);
  expect(to - now).toBeGreaterThan(29 * 365 * 24 * 3_600_000);
});

test("each is another one", async () => {
  const [a, b] = await Promise.all([createThrowawayCertificate(), createThrowawayCertificate()]);
  expect(a.key).not.toBe(b.key);
  expect(new X509Certificate(a.certificate).serialNumber).not.toBe(new X509Certificate(b.certificate).serialNumber);
});

test("the handshake names it in base64 without padding, from which the certificate comes back", async () => {
  const { certificate, der } = await createThrowawayCertificate();
  const field = derToField(der);
  expect(field).toMatch(/^[A-Za-z0-9+/]+$/);
  expect(fieldToPem(field)).toBe(certificate);
  for (const spoilt of ["", "MIIB", `${field}=`, `${field.slice(0, -20)}`, field.replace("M", "_")]) {
    expect(fieldToPem(spoilt)).toBeUndefined();
  }
});
