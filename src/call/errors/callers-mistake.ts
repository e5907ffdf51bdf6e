import { base64Decode } from "@bufbuild/protobuf/wire";
import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";

/**
 * Connect reports an unparsable request as `internal`. This changes it to `invalid_argument`, just before Connect reads the
 * code.
 * @param couldBe True while the caller's request may be at fault: its handler has not begun, or still reads messages.
 */
export function blameCaller({ signal }: HandlerContext, couldBe: () => boolean): void {
  signal.addEventListener("abort", () => {
    const error: unknown = signal.reason;
    const unparsed = error instanceof ConnectError && error.rawMessage.startsWith("parse binary: ");
    if (unparsed && error.code === Code.Internal && couldBe()) {
      // Read-only to who has it; there is no other place to say it.
      Object.assign(error, { code: Code.InvalidArgument });
    }
  });
}

/**
 * Checks the message of a call by GET.
 * @throws ConnectError invalid_argument if it is not in the Base64 that it claims to be in.
 */
export function checkQuery({ requestMethod, url }: HandlerContext): void {
  if (requestMethod !== "GET") {
    return;
  }
  const { searchParams } = new URL(url);
  if (searchParams.get("base64") !== "1") {
    return;
  }
  try {
    base64Decode(searchParams.get("message") ?? "");
  } catch {
    throw new ConnectError("the message in the URL is not base64", Code.InvalidArgument);
  }
}

/** The statuses of requests that are calls of no protocol, in words: none is known that could carry an error. */
export const bareRefusals: Readonly<Record<number, string>> = {
  405: "a method is called by POST; by GET only if it has no side effects",
  415:
    "the request has no Content-Type that this method is served with: application/json or application/proto; " +
    "for streams application/connect+json or application/connect+proto; or one of gRPC-Web or, over HTTP/2, gRPC",
  505: "a stream in both directions needs HTTP/2 or a WebSocket",
};

/** Explains a response of Connect's that is a status alone. */
export function explainRefusal(
  response: UniversalServerResponse,
  { allowedMethods }: UniversalHandler,
): UniversalServerResponse {
  const refusal = bareRefusals[response.status];
  if (response.body !== undefined || refusal === undefined) {
    return response;
  }
  const header = new Headers(response.header);
  header.set("Content-Type", "text/plain; charset=utf-8");
  if (response.status === 405) {
    header.set("Allow", allowedMethods.join(", "));
  }
  return { ...response, header, body: inOnePiece(refusal) };
}

async function* inOnePiece(text: string) {
  yield new TextEncoder().encode(text);
}
