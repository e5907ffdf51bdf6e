import { printableLine } from "../plugin/printable.ts";

/** What an HTTP request is answered with. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Of gRPC, as https://grpc.io/docs/guides/status-codes has them. */
const unimplemented = "12";

/**
 * Answers a request for a path where there is nothing: a call of gRPC or gRPC-Web with a status of that protocol and
 * nothing else, everything else with 404 and an error as Connect has it.
 * @param path That of the request, which the message names.
 * @param contentType The request's.
 */
export function noSuchMethod(path: string, contentType: string | null | undefined): Answer {
  const message = `no such method: ${printableLine(path)}`;
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
