import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { tlsError } from "./errors.ts";
import { certificatesIn } from "./pem.ts";

/** A certificate and its private key, in PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** The names of a certificate and a key in messages. */
export type IdentityNames = { readonly [Part in keyof Identity]: string };

/**
 * Reads a certificate and its key, and checks that they belong together.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY
 */
export async function readIdentity({ certificate, key }: Identity, names: IdentityNames): Promise<Identity> {
  const pem = {
    certificate: await readCertificates(certificate, names.certificate),
    key: await readPem(key, names.key),
  };
  const own = certificatesIn(pem.certificate)?.[0];
  let privateKey: ReturnType<typeof createPrivateKey>;
  try {
    privateKey = createPrivateKey(pem.key);
  } catch {
    // OpenSSL's message is of no use, and future versions might quote the key.
    throw tlsError("PB-TLS-UNREADABLE", `${names.key} contains no private key that can be read`, {
      hint: "Give a private key in PEM, without a passphrase.",
    });
  }
  if (own?.checkPrivateKey(privateKey) !== true) {
    throw tlsError("PB-TLS-KEY", `the key in ${names.key} does not belong to the certificate in ${names.certificate}`);
  }
  return pem;
}

/**
 * Reads certificates, and checks that they are.
 * @throws PlugboardError PB-TLS-UNREADABLE
 */
export async function readCertificates(text: string, name: string): Promise<string> {
  const pem = await readPem(text, name);
  if (certificatesIn(pem) === undefined) {
    throw tlsError("PB-TLS-UNREADABLE", `${name} contains no certificate that can be read`);
  }
  return pem;
}

/** True if certificates or keys are given as a file that holds them. */
export function isFile(text: string): boolean {
  return /^file:\/\//i.test(text);
}

async function readPem(text: string, name: string): Promise<string> {
  if (text.includes("-----BEGIN ")) {
    return text;
  }
  if (!isFile(text)) {
    // Not shown: it may be a key that lacks its first line.
    throw tlsError("PB-TLS-UNREADABLE", `${name} is neither PEM nor a file:// URL`);
  }
  try {
    return await readFile(fileURLToPath(text), "utf8");
  } catch (cause) {
    throw tlsError("PB-TLS-UNREADABLE", `the file of ${name} can't be read: ${String(cause)}`, { cause });
  }
}
