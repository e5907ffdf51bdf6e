/** The protocol of a connection, told by its first bytes. */
export type Sniffed = "http/1.1" | "http/2" | "tls" | "ttrpc" | "unknown";

const tlsHandshake = 0x16;
const http2Preface = "PRI";

/**
 * Tells what a connection speaks. `undefined`: more bytes are needed, as with the "P" that both "POST" and HTTP/2's
 * "PRI * HTTP/2.0" start with.
 */
export function sniff(bytes: Uint8Array): Sniffed | undefined {
  const [first] = bytes;
  if (first === undefined) {
    return undefined;
  }
  if (first === tlsHandshake) {
    return "tls";
  }
  if (first === 0) {
    return "ttrpc";
  }
  const start = Buffer.from(bytes.subarray(0, http2Preface.length)).toString("latin1");
  if (start === http2Preface) {
    return "http/2";
  }
  if (http2Preface.startsWith(start)) {
    return undefined;
  }
  return /^[A-Z]/.test(start) ? "http/1.1" : "unknown";
}
