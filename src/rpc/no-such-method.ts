import { printableLine } from "../plugin/printable.ts";

/** What an HTTP request is answered with. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How much of a name is repeated, in characters. */
const maxMethodLength = 200;

/** Of gRPC, as https://grpc.io/docs/guides/status-codes has them. */
const unimplemented = "12";

/**
 * Answers a request for a path where there is nothing: a call of gRPC or gRPC-Web with a status of that protocol and
 * nothing else, everything else with 404 and an error as Connect has it.
 * @param path That of the request, which the message names.
 * @param contentType The request's.
 */
export function noSuchMethod(path: string, contentType: string | null | undefined): Answer {
  // HTTP/1.1 lets a request name a whole URL: host and credentials are not repeated.
  const method = path.replace(/^[a-z][a-z\d+.-]*:\/\/[^/]*/i, "").slice(0, maxMethodLength);
  const message = `no such method: ${printableLine(method)}`;
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return /^application\/grpc(-web(-text)?)?(\+|$)/.test(type)
    ? {
        status: 200,
        headers: { "Content-Type": type, "Grpc-Status": unimplemented, "Grpc-Message": encodeURIComponent(message) },
        body: "",
      }
    : {
        status: 404,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ code: "unimplemented", message }),
      };
}
