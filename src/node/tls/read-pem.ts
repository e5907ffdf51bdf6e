import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { ClientTls, ServerTls } from "../../address/tls-options.ts";
import { tlsError } from "./errors.ts";
import { followFiles } from "./follow-files.ts";
import { certificatesIn } from "./pem.ts";

/** The name of each part in messages. */
type Names<Parts> = { readonly [Name in Exclude<keyof Parts, "serverName">]-?: string };

const serverNames = {
  certificate: "tls.certificate",
  key: "tls.key",
  clientRoots: "tls.clientRoots",
} as const satisfies Names<ServerTls>;

const clientNames = {
  certificate: "tls.certificate",
  key: "tls.key",
  roots: "tls.roots",
} as const satisfies Names<ClientTls>;

/**
 * Reads the files that are named, and checks that all of it is what it is meant to be.
 * @returns The same, in PEM.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY
 */
export async function readServerTls(
  tls: Partial<ServerTls>,
  names: Names<ServerTls> = serverNames,
): Promise<ServerTls> {
  const [identity, clientRoots] = await Promise.all([
    readIdentity(tls.certificate, tls.key, names),
    tls.clientRoots === undefined ? undefined : readCertificates(tls.clientRoots, names.clientRoots),
  ]);
  return { ...identity, ...(clientRoots !== undefined && { clientRoots }) };
}

/**
 * Reads the files that are named, and checks that all of it is what it is meant to be.
 * @returns The same, in PEM.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY
 */
export async function readClientTls(tls: ClientTls, names: Names<ClientTls> = clientNames): Promise<ClientTls> {
  const { certificate, key, serverName } = tls;
  const [identity, roots] = await Promise.all([
    certificate === undefined && key === undefined ? undefined : readIdentity(certificate, key, names),
    tls.roots === undefined ? undefined : readCertificates(tls.roots, names.roots),
  ]);
  return { ...identity, ...(roots !== undefined && { roots }), ...(serverName !== undefined && { serverName }) };
}

/** As readServerTls, but for files that were read before, and have not changed; and with the old ones if they are spoilt. */
export const currentServerTls = followFiles<ServerTls>(readServerTls);

/** As readClientTls, but for files that were read before, and have not changed; and with the old ones if they are spoilt. */
export const currentClientTls = followFiles<ClientTls>(readClientTls);

async function readIdentity(
  certificate: string | undefined,
  key: string | undefined,
  names: Pick<Names<ServerTls>, "certificate" | "key">,
) {
  if (certificate === undefined || key === undefined) {
    const [there, missing] = key === undefined ? [names.certificate, names.key] : [names.key, names.certificate];
    throw tlsError("PB-TLS-UNREADABLE", `${there} is given, but not ${missing}`, {
      hint: "Give certificate and key, or neither.",
    });
  }
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

async function readCertificates(text: string, name: string): Promise<string> {
  const pem = await readPem(text, name);
  if (certificatesIn(pem) === undefined) {
    throw tlsError("PB-TLS-UNREADABLE", `${name} contains no certificate that can be read`);
  }
  return pem;
}

async function readPem(text: string, name: string): Promise<string> {
  if (text.includes("-----BEGIN ")) {
    return text;
  }
  if (!/^file:\/\//i.test(text)) {
    // Not shown: it may be a key that lacks its first line.
    throw tlsError("PB-TLS-UNREADABLE", `${name} is neither PEM nor a file:// URL`);
  }
  try {
    return await readFile(fileURLToPath(text), "utf8");
  } catch (cause) {
    throw tlsError("PB-TLS-UNREADABLE", `the file of ${name} can't be read: ${String(cause)}`, { cause });
  }
}
