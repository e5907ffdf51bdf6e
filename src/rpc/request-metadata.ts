import { Code, ConnectError } from "@connectrpc/connect";

/** Names that say something of the connection, the request's body or its host, not of the call. */
const ofConnections: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What must not be in a field of a header (RFC 9110, section 5.5), and gets past `Headers` nevertheless. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for.
const unsendable = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * A caller's metadata, as every route can carry it: values of Latin-1 without control characters but for the tab.
 * @throws ConnectError invalid_argument if some of it can't be sent
 */
export function requestMetadata(header: HeadersInit | undefined): Headers | undefined {
  if (header === undefined) {
    return undefined;
  }
  let headers: Headers;
  try {
    headers = new Headers(header);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConnectError(`metadata that can't be sent: ${why}`, Code.InvalidArgument, undefined, undefined, cause);
  }
  headers.forEach((value, name) => {
    if (ofConnections.has(name)) {
      throw new ConnectError(`metadata can't be named ${name}, which belongs to the connection`, Code.InvalidArgument);
    }
    if (unsendable.test(value)) {
      throw new ConnectError(`the metadata ${name} has a control character in it`, Code.InvalidArgument);
    }
  });
  return headers;
}
