// First: what the next one is made of needs it to load at all.
import "reflect-metadata";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { derToPem } from "./pem.ts";

/** A certificate that one process makes for itself, and that no one else has to know. */
export interface ThrowawayCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM. It never leaves the process. */
  readonly key: string;
  /** The certificate as the handshake names it. */
  readonly der: Uint8Array;
}

/** Not go-plugin's P-521: BoringSSL, and so every client built on gRPC core, does not speak that. */
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Clocks of two processes on one machine agree; this is for those that do not. */
const earlierMs = 30_000;
/** Thirty years: as long as any process runs. */
const validMs = 262_980 * 3_600_000;

/**
 * Makes a certificate for "localhost" that is its own root, for server and client alike, as HashiCorp go-plugin makes
 * them: trusting just this one is trusting the process that has its key, and no other.
 */
export async function createThrowawayCertificate(): Promise<ThrowawayCertificate> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const { digitalSignature, keyEncipherment, keyAgreement, keyCertSign } = KeyUsageFlags;
  const { rawData } = await X509CertificateGenerator.createSelfSigned(
    {
      name: "O=Plugboard, CN=localhost",
      serialNumber: randomSerialNumber(),
      notBefore: new Date(now - earlierMs),
      notAfter: new Date(now + validMs),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new KeyUsagesExtension(digitalSignature | keyEncipherment | keyAgreement | keyCertSign, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth]),
        new BasicConstraintsExtension(true, undefined, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
        new SubjectAlternativeNameExtension([{ type: "dns", value: "localhost" }]),
      ],
    },
    crypto,
  );
  const der = new Uint8Array(rawData);
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { certificate: derToPem(der), key: derToPem(key, "PRIVATE KEY"), der };
}

/** 128 bits in hexadecimal, of a number above zero. */
function randomSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}
