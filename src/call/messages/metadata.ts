import { Code, ConnectError } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import { connectionFields, fieldBytes, maxFieldBlockBytes } from "./connection-fields.ts";

/** Names that say something of the connection or the request's body, not of the call. */
const ofConnections: ReadonlySet<string> = new Set([...connectionFields, "content-length", "expect"]);

/**
 * The values that every route carries unchanged: as in gRPC, visible ASCII, spaces and tabs. `Headers` takes all of
 * Latin-1, of which Node's HTTP/1.1 and Workers make UTF-8, and control characters, which no HTTP server lets through. Fields
 * that only HTTP carries may have all but those, see `unsendable`.
 */
const sendable = /^[\t\x20-\x7e]*$/;

/** Trailers of gRPC beside the status: set by a handler, they could make the response unreadable. */
const ofGrpc: ReadonlySet<string> = new Set(["grpc-message", "grpc-status-details-bin"]);

/**
 * Leaves out of a plugin's metadata what can't be sent over every route, and says so in the log. HTTP/1.1 and some peers take
 * less than HTTP/2 does, see `fitResponseHeaders` and `fitTrailers`.
 * @param whose Of what it is the metadata, for the log.
 */
export function dropUnsendable(headers: Headers | undefined, whose: string, log: Log): void {
  if (headers === undefined) {
    return;
  }
  const leftOut: [name: string, why: string][] = [];
  let bytes = 0;
  headers.forEach((value, name) => {
    const length = fieldBytes(name, value);
    if (ofGrpc.has(name)) {
      leftOut.push([name, "it belongs to the protocol"]);
    } else if (!sendable.test(value)) {
      leftOut.push([name, "it has characters beyond visible ASCII"]);
    } else if (bytes + length > maxFieldBlockBytes) {
      leftOut.push([name, `its ${value.length} bytes don't fit`]);
    } else {
      bytes += length;
    }
  });
  for (const [name, why] of leftOut) {
    leaveOut(headers, whose, name, why, log);
  }
}

/** Leaves one field out, and says so in the log. */
export function leaveOut(headers: Headers | undefined, whose: string, name: string, why: string, log: Log): void {
  log.line("WARNING", `the ${whose} ${name} is left out, as ${why}`);
  headers?.delete(name);
}

/**
 * A copy of a caller's metadata.
 * @throws ConnectError invalid_argument if it is none
 */
export function copyMetadata(header: HeadersInit | undefined): Headers {
  try {
    return new Headers(header);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConnectError(`the metadata can't be sent: ${why}`, Code.InvalidArgument, undefined, undefined, cause);
  }
}

/**
 * A caller's metadata, as every route can carry it.
 * @throws ConnectError invalid_argument if some of it can't be sent
 */
export function requestMetadata(header: HeadersInit | undefined): Headers | undefined {
  if (header === undefined) {
    return undefined;
  }
  const headers = copyMetadata(header);
  headers.forEach((value, name) => {
    if (ofConnections.has(name)) {
      throw new ConnectError(
        `metadata can't be named ${name}: that header belongs to the connection`,
        Code.InvalidArgument,
      );
    }
    if (!sendable.test(value)) {
      throw new ConnectError(
        `the metadata ${name} has characters beyond visible ASCII: encode it as base64 and name it ${name}-bin`,
        Code.InvalidArgument,
      );
    }
  });
  return headers;
}
