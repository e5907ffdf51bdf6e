import { Code } from "@connectrpc/connect";
import { codeName } from "./errors/code-name.ts";
import { isMethodPath, noSuchMethodMessage } from "./not-found.ts";

/** A complete HTTP response. */
export interface PlainResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** The reason why a request is refused before it is known to be a call of a method. */
export interface RequestRefusal {
  /** The HTTP status, where the protocol has no other place for the code. */
  readonly status: number;
  readonly code: Code;
  readonly message: string;
}

/** Says that there is more of a stream's end than its messages. */
const endStreamFlag = 0x02;

/**
 * Makes the response that refuses a request, in its protocol: for a call of gRPC or gRPC-Web a status of that protocol
 * and nothing else, for a stream of Connect's its end, otherwise the HTTP status and an error as Connect has it.
 * @param contentType The request's.
 */
export function refuseRequest(
  { status, code, message }: RequestRefusal,
  contentType: string | null | undefined,
): PlainResponse {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const error = { code: codeName(code), message };
  if (/^application\/grpc(-web(-text)?)?(\+|$)/.test(type)) {
    const fields = { "Grpc-Status": String(code), "Grpc-Message": encodeURIComponent(message) };
    return { status: 200, headers: { "Content-Type": type, ...fields }, body: "" };
  }
  if (/^application\/connect\+(?:json|proto)$/.test(type)) {
    return { status: 200, headers: { "Content-Type": type }, body: endStream(JSON.stringify({ error })) };
  }
  const challenge = status === 401 && { "WWW-Authenticate": 'Bearer error="invalid_token"' };
  return { status, headers: { "Content-Type": "application/json", ...challenge }, body: JSON.stringify(error) };
}

function endStream(json: string): Uint8Array<ArrayBuffer> {
  const data = new TextEncoder().encode(json);
  const envelope = new Uint8Array(5 + data.byteLength);
  envelope[0] = endStreamFlag;
  new DataView(envelope.buffer).setUint32(1, data.byteLength);
  envelope.set(data, 5);
  return envelope;
}

/**
 * The refusal of a request for a path where nothing is served.
 * @param path The request's path, which the message names.
 * @param howToCall Added to the message of a path that is none of a method's.
 */
export function noSuchMethod(path: string, howToCall: string | undefined): RequestRefusal {
  // HTTP/1.1 lets a request name a whole URL: host and credentials are not repeated.
  const method = path.replace(/^[a-z][a-z\d+.-]*:\/\/[^/]*/i, "");
  const hint = howToCall === undefined || isMethodPath(method) ? "" : `; ${howToCall}`;
  return { status: 404, code: Code.Unimplemented, message: `${noSuchMethodMessage(method)}${hint}` };
}
