import type { Log } from "../base/log.ts";
import { refusedHeader } from "../call/errors/call-refused.ts";
import { fieldBytes, notInResponses, unsendable } from "../call/messages/connection-fields.ts";
import { leaveOut } from "../call/messages/metadata.ts";
import { requestIdHeader } from "../call/request-id.ts";

/** One field of a header. */
export type HeaderField = readonly [name: string, value: string];

/**
 * The headers of every response, for browsers: nothing of it is to be run, shown in a frame, embedded by other origins
 * or kept. See https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html.
 */
const always: readonly HeaderField[] = [
  ["Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"],
  ["X-Content-Type-Options", "nosniff"],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "no-referrer"],
  ["Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  // Keeps responses out of elements of other sites' pages; what `origins` lets in asks by CORS, for which this does not
  // hold.
  ["Cross-Origin-Resource-Policy", "same-origin"],
];

/** A cache must not reuse a response for another origin, encoding or caller. */
const vary: HeaderField = ["Vary", "Origin, Accept-Encoding, Authorization"];

const noStore: HeaderField = ["Cache-Control", "no-store"];

const strictTransport = "Strict-Transport-Security";

/**
 * The header fields of every response, whatever its status.
 * @param hsts `Strict-Transport-Security`, of a response over HTTPS.
 */
export function securityHeaders(requestId: string, hsts: string | undefined): readonly HeaderField[] {
  const id: HeaderField = [requestIdHeader, requestId];
  const fields = [...always, vary, noStore, id];
  return hsts === undefined ? fields : [...fields, [strictTransport, hsts]];
}

/** The headers that a handler can't set. */
const reservedHeaders: ReadonlySet<string> = new Set(
  [...always.map(([name]) => name), strictTransport, requestIdHeader, refusedHeader, "Server"].map((name) =>
    name.toLowerCase(),
  ),
);

/** The protocols' own fields, with which a caller reads a response. */
const protocolField = /^(?:content-(?:type|encoding|length)|connect-.+|grpc-.+|allow)$/;

/** The request and the limits that a response has to fit. */
export interface ResponseTarget {
  readonly method: string;
  readonly status: number;
  /** True if it depends on the caller. */
  readonly personal: boolean;
  /** Bytes that they may have together, as HTTP/2 counts them. */
  readonly maxBytes: number;
  /** Is told what is left out. */
  readonly log: Log;
}

/**
 * Node's clients take 16 KiB of headers over HTTP/1.1, all together, and so does the edge, as the clients behind it are
 * unknown. Beside a handler's own there are those of every response.
 */
export const maxOwnHeaderBytes = 14 * 1024;

/**
 * Fits the headers that a handler set into its response: they precede those of every response, and must not contradict
 * them. `Cache-Control` holds for GET, and nothing else may be kept; a personal response, by its caller alone. The
 * names in `Vary` are added to those of every response.
 */
export function fitResponseHeaders(own: Headers, { method, status, personal, maxBytes, log }: ResponseTarget): void {
  for (const name of [...own.keys()]) {
    if (reservedHeaders.has(name)) {
      own.delete(name);
    }
  }
  // Connect's own word, to a caller that would wait for both directions over HTTP/1.1.
  const closes = status === 505 && own.get("Connection") === "close";
  // That of a single message is Connect's word, too. What comes in envelopes is as long as it gets.
  const enveloped = /^application\/(?:connect\+|grpc)/i.test(own.get("Content-Type") ?? "");
  let left = maxBytes;
  // The protocol's own fields go first: without them, the response could not be read.
  const fields = [...own];
  const ofProtocol = fields.filter(([name]) => protocolField.test(name));
  const others = fields.filter(([name]) => !protocolField.test(name));
  for (const [name, value] of [...ofProtocol, ...others]) {
    const bytes = fieldBytes(name, value);
    // As it would have Node send nothing at all, and Workers something that no client takes.
    if ((notInResponses.includes(name) && !closes) || (enveloped && name === "content-length")) {
      leaveOut(own, "response's header", name, "it belongs to a connection", log);
    } else if (unsendable.test(value)) {
      leaveOut(own, "response's header", name, "it has a control character in it", log);
    } else if (bytes > left) {
      leaveOut(own, "response's header", name, `its ${value.length} bytes don't fit into headers`, log);
    } else {
      left -= bytes;
    }
  }
  const got = (method === "GET" || method === "HEAD") && (status === 200 || status === 304);
  const asked = own.get("Cache-Control");
  if (!got) {
    own.delete("Cache-Control");
  } else if (personal && asked !== null) {
    own.set("Cache-Control", forOneAlone(asked));
  }
  if (own.has("Vary")) {
    own.append(...vary);
  }
}

function forOneAlone(cacheControl: string): string {
  const directives = cacheControl.split(",").map((each) => each.trim());
  const kept = directives.filter((each) => each !== "" && !/^(?:public|private|s-maxage)\b/i.test(each));
  return ["private", ...kept].join(", ");
}
