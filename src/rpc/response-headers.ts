import { log } from "../plugin/log.ts";
import { requestIdHeader } from "./request-id.ts";

/** One field of a header. */
export type HeaderField = readonly [name: string, value: string];

/**
 * What every answer over HTTP has, for browsers: nothing of it is to be run, shown in a frame or kept. See
 * https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html.
 */
const always: readonly HeaderField[] = [
  ["Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"],
  ["X-Content-Type-Options", "nosniff"],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "no-referrer"],
  ["Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
];

/** A cache that is asked by another origin, for another encoding or by somebody else has to ask here. */
const vary: HeaderField = ["Vary", "Origin, Accept-Encoding, Authorization"];

const noStore: HeaderField = ["Cache-Control", "no-store"];

/** To be reached over HTTPS alone, for two years (RFC 6797). */
const strictTransport: HeaderField = ["Strict-Transport-Security", "max-age=63072000; includeSubDomains"];

/**
 * The header fields of every answer, whatever its status.
 * @param secure Whether it goes over HTTPS.
 */
export function securityHeaders(requestId: string, secure: boolean): readonly HeaderField[] {
  const id: HeaderField = [requestIdHeader, requestId];
  const fields = [...always, vary, noStore, id];
  return secure ? [...fields, strictTransport] : fields;
}

/** What a handler has no say in: the headers above, whose request it was, and what belongs to the connection. */
const notTheirs: ReadonlySet<string> = new Set(
  [
    ...[...always, strictTransport].map(([name]) => name),
    requestIdHeader,
    "Server",
    "Keep-Alive",
    "Proxy-Connection",
    "Transfer-Encoding",
    "Upgrade",
  ].map((name) => name.toLowerCase()),
);

/** What must not be in a header (RFC 9110, section 5.5), and gets past `Headers` nevertheless. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for.
const unsendable = /[\x00-\x08\x0a-\x1f\x7f]/;

/** What an answer was given to. */
export interface Answered {
  readonly method: string;
  readonly status: number;
  /** Whether it depends on who has asked. */
  readonly personal: boolean;
}

/**
 * Makes the headers of a call's answer fit to be sent beside those of every answer, before which they go. `Cache-Control`
 * holds for what was got by GET, and nothing else may be kept; what is personal, by nobody but who has asked. What `Vary`
 * names is added to what every answer depends on.
 */
export function fitResponseHeaders(own: Headers, { method, status, personal }: Answered): void {
  for (const name of [...own.keys()]) {
    if (notTheirs.has(name)) {
      own.delete(name);
    }
  }
  for (const [name, value] of [...own]) {
    if (unsendable.test(value)) {
      // As it would have Node send nothing at all, and Workers something that no client takes.
      log("WARNING", `the response's header ${name} is left out, as it has a control character in it`);
      own.delete(name);
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
