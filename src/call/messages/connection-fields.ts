/**
 * Fields that belong to one connection of HTTP/1.1: in HTTP/2 most are malformed (RFC 9113, section 8.2.2), and Node throws at
 * them, in headers or in an event of its own. In lower case.
 */
export const connectionFields: readonly string[] = [
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Those, and those of requests, which no response has. */
export const notInResponses: readonly string[] = [...connectionFields, "host"];

/**
 * The characters that a field must not have (RFC 9110, section 5.5), and that `Headers` lets through. For what leaves over HTTP,
 * a protocol's own fields and middleware's included, which may be Latin-1; metadata has the narrower rule `sendable`.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for.
export const unsendable = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * Longest block of fields that Node sends over HTTP/2, in bytes; at a longer one it ends the connection, with all other calls
 * on it. Few servers and proxies of any HTTP take more.
 */
export const maxFieldBlockBytes = 60 * 1024;

/** As many fields as that has room for. Over HTTP/2 Node takes 128 unless told otherwise, and resets a stream that has more. */
export const maxFields = maxFieldBlockBytes / 32;

/** Bytes of a field as HTTP/2 counts them (RFC 9113, section 6.5.2). */
export function fieldBytes(name: string, value: string): number {
  return name.length + value.length + 32;
}
