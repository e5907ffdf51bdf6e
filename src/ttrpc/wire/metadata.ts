import type { KeyValue } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";

// Headers of the fetch API, and the metadata that other implementations of ttrpc fill with whatever they like.

/** Headers as they travel. */
export function toKeyValues(headers: Headers | undefined): KeyValue[] {
  const entries: KeyValue[] = [];
  headers?.forEach((value, key) => {
    entries.push({ $typeName: "plugboard.ttrpc.v1.KeyValue", key, value });
  });
  return entries;
}

/** Headers as programs use them. */
export function toHeaders(entries: readonly KeyValue[]): Headers {
  const headers = new Headers();
  appendHeaders(headers, entries);
  return headers;
}

/** Adds to headers what has travelled. */
export function appendHeaders(headers: Headers, entries: readonly KeyValue[]): void {
  for (const { key, value } of entries) {
    appendHeader(headers, key, value);
  }
}

/** See https://fetch.spec.whatwg.org/#header-name and #header-value. */
const headerName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const noHeaderValue = /[\0-\x08\n-\x1f\x7f\u0100-\uffff]/;

/** The characters that no HTTP server lets through: a terminal or a log that shows them may take them for a command. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const controlCharacter = /[\0-\x08\n-\x1f\x7f]/;

/** The name of metadata that would become a header with control characters; `undefined` if there is none. */
export function nameWithControlCharacters(metadata: readonly KeyValue[]): string | undefined {
  return metadata.find(({ key, value }) => controlCharacter.test(value) && headerName.test(key))?.key;
}

/**
 * Other implementations allow any text, of which Headers takes only what HTTP allows; the rest is left out, as neither
 * side could do anything about it. Headers itself is not asked: two million errors, as many as a frame has room for,
 * take it ten seconds.
 */
function appendHeader(headers: Headers, key: string, value: string) {
  if (headerName.test(key) && !noHeaderValue.test(value)) {
    headers.append(key, value);
  }
}
