import { refusedHeader } from "../call/errors/call-refused.ts";
import { fieldBytes, notInResponses, unsendable } from "../call/messages/connection-fields.ts";
import { leaveOut } from "../call/messages/metadata.ts";
import { requestIdHeader } from "../call/request-id.ts";

/** One field of a header. */
export type HeaderField = readonly [name: string, value: string];

/**
 * What every answer over HTTP has, for browsers: nothing of it is to be run, shown in a frame, embedded by other origins or kept. See
 * https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html.
 */
const always: readonly HeaderField[] = [
  ["Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"],
  ["X-Content-Type-Options", "nosniff"],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "no-referrer"],
  ["Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  // Keeps answers out of elements of other sites' pages; what `origins` lets in asks by CORS, for which this does not hold.
  ["Cross-Origin-Resource-Policy", "same-origin"],
];

/** A cache that is asked by another origin, for another encoding or by somebody else has to ask here. */
const vary: HeaderField = ["Vary", "Origin, Accept-Encoding, Authorization"];

const noStore: HeaderField = ["Cache-Control", "no-store"];

const strictTransport = "Strict-Transport-Security";

/**
 * The header fields of every answer, whatever its status.
 * @param hsts `Strict-Transport-Security`, of an answer over HTTPS.
 */
export function securityHeaders(requestId: string, hsts: string | undefined): readonly HeaderField[] {
  const id: HeaderField = [requestIdHeader, requestId];
  const fields = [...always, vary, noStore, id];
  return hsts === undefined ? fields : [...fields, [strictTransport, hsts]];
}

/** What a handler has no say in: the headers above, and whose request it was. */
const reservedHeaders: ReadonlySet<string> = new Set(
  [...always.map(([name]) => name), strictTransport, requestIdHeader, refusedHeader, "Server"].map((name) =>
    name.toLowerCase(),
  ),
);

/** The protocols' own fields, with which a caller reads an answer. */
const protocolField = /^(?:content-(?:type|encoding|length)|connect-.+|grpc-.+|allow)$/;

/** What an answer was given to. */
export interface Answered {
  readonly method: string;
  readonly status: number;
  /** Whether it depends on who has asked. */
  readonly personal: boolean;
  /** How long they may be together, in bytes as HTTP/2 counts them. */
  readonly maxBytes: number;
}

/**
 * What Node's clients take of headers over HTTP/1.1, all together, is 16 KiB; so they do at the edge, where nobody knows what
 * comes behind. Beside a handler's own there are those of every answer.
 */
export const maxOwnHeaderBytes = 14 * 1024;

/**
 * Makes the headers of a call's answer fit to be sent beside those of every answer, before which they go. `Cache-Control`
 * holds for what was got by GET, and nothing else may be kept; what is personal, by nobody but who has asked. What `Vary`
 * names is added to what every answer depends on.
 */
export function fitResponseHeaders(own: Headers, { method, status, personal, maxBytes }: Answered): void {
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
  // What the protocol has set goes first: without it, nobody could read the answer.
  const fields = [...own];
  const ofProtocol = fields.filter(([name]) => protocolField.test(name));
  const others = fields.filter(([name]) => !protocolField.test(name));
  for (const [name, value] of [...ofProtocol, ...others]) {
    const bytes = fieldBytes(name, value);
    // As it would have Node send nothing at all, and Workers something that no client takes.
    if ((notInResponses.includes(name) && !closes) || (enveloped && name === "content-length")) {
      leaveOut(own, "response's header", name, "it belongs to a connection");
    } else if (unsendable.test(value)) {
      leaveOut(own, "response's header", name, "it has a control character in it");
    } else if (bytes > left) {
      leaveOut(own, "response's header", name, `its ${value.length} bytes don't fit into headers`);
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
