import type { IncomingHttpHeaders } from "node:http2";

/** The fields of Node's, as the web has them. */
export function toHeaders(fields: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(":") || value === undefined) {
      continue;
    }
    for (const each of typeof value === "string" ? [value] : value) {
      headers.append(name, each);
    }
  }
  return headers;
}
