import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { derToPem } from "../../../src/node/tls/pem.ts";

/** Certificate and key, as the option `tls` takes them. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

interface CertificateOptions {
  /** DNS name, or an IP address. */
  readonly name?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly issuer?: Issuer;
}

interface Issuer extends Identity {
  readonly name: string;
  readonly privateKey: CryptoKey;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 24 * 3_600_000;

/** A day ago, today or in so many days. */
export function days(count: number): Date {
  return new Date(Date.now() + count * dayMs);
}

/** Makes a certificate that is its own root, or is issued by another. */
export async function makeCertificate(options: CertificateOptions = {}): Promise<Issuer> {
  const { name = "localhost", notBefore = days(-1), notAfter = days(1), issuer } = options;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const subject = `CN=${name}`;
  const { rawData } = await x509.X509CertificateGenerator.create(
    {
      subject,
      issuer: issuer?.name ?? subject,
      serialNumber: "01",
      notBefore,
      notAfter,
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: issuer?.privateKey ?? keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(issuer === undefined, undefined, true),
        new x509.SubjectAlternativeNameExtension([{ type: /^[\d.]+$/.test(name) ? "ip" : "dns", value: name }]),
      ],
    },
    crypto,
  );
  const key = derToPem(new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey)), "PRIVATE KEY");
  const identity: Identity = { certificate: derToPem(new Uint8Array(rawData)), key };
  // No part of what is spread into an option `tls`, which refuses names that it does not know.
  const issuing = { name: { value: subject }, privateKey: { value: keys.privateKey } };
  return Object.defineProperties(identity, issuing) as Issuer;
}
