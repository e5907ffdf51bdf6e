import { X509Certificate } from "node:crypto";

/** Writes what is in DER as PEM (RFC 7468). */
export function derToPem(der: Uint8Array, label: "CERTIFICATE" | "PRIVATE KEY" = "CERTIFICATE"): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const [begin, end] = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"];

/** The certificates of a PEM text, in order; undefined if one of them can't be read, or if there is none. */
export function certificatesIn(pem: string): readonly [X509Certificate, ...X509Certificate[]] | undefined {
  // Taken apart without a pattern, which would look for an end from every beginning of a text that has none.
  const [, ...rests] = pem.split(begin);
  try {
    const [first, ...others] = rests.map((rest) => new X509Certificate(`${begin}${rest.split(end, 1)[0]}${end}`));
    return first && [first, ...others];
  } catch {
    return undefined;
  }
}

/** Writes a certificate as the handshake names it: DER in base64 without padding. */
export function derToField(der: Uint8Array): string {
  return Buffer.from(der)
    .toString("base64")
    .replace(/={1,2}$/, "");
}

/** Reads the handshake's certificate, and gives it as PEM; undefined if it is none. */
export function fieldToPem(field: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+$/.test(field)) {
    return undefined;
  }
  const pem = derToPem(Buffer.from(field, "base64"));
  return certificatesIn(pem) && pem;
}
