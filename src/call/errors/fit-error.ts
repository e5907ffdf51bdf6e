import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import { notInResponses } from "../messages/connection-fields.ts";
import { dropUnsendable } from "../messages/metadata.ts";

/**
 * The metadata that an error must not set: what belongs to the connection that it came by, if it is that of a response
 * which the handler has got from elsewhere, and what would have a browser do something. A handler that means it sets
 * the response's header.
 */
// allowed backtracking: names that stand here, between both ends of a text.
const notOfErrors = new RegExp(
  `^(?:${[
    ...notInResponses,
    "access-control-.*|set-cookie2?|clear-site-data|refresh|proxy-.*|date|content-(?:type|length|encoding|security-policy)",
    "grpc-(?:status|message|status-details-bin|encoding|accept-encoding|timeout)",
    "connect-(?:content-encoding|accept-encoding|timeout-ms|protocol-version)",
  ].join("|")})$`,
);

/**
 * Most bytes of an error's message, of its details together, and of its metadata together: they fit into the trailers
 * of gRPC with its escapes, and into the headers of HTTP/1.1, and so can be the same over every route.
 */
const maxErrorPartBytes = 8 * 1024;

/**
 * Copies an error into one that every protocol can carry: text that is well-formed (half characters become U+FFFD),
 * details as bytes, metadata that can be sent; of each no more than 8 KiB, see `maxErrorPartBytes`. Metadata that came
 * over a wire stays behind, as with Connect: it was meant for that call's caller.
 * @param log Gets a line for each part that is left out.
 * @throws Error that says what does not fit, or anything that reading the error throws.
 */
export function fitError(error: ConnectError, log: Log): ConnectError {
  const { code, rawMessage, details, metadata, isWireError, cause } = error;
  if (typeof rawMessage !== "string") {
    throw new TypeError(`its message is a ${typeof rawMessage}, not a string`);
  }
  if (!Number.isInteger(code) || Code[code] === undefined) {
    throw new RangeError(`its code is ${String(code)}, which is not a code of Connect`);
  }
  if (!Array.isArray(details)) {
    throw new TypeError("its details are not a list");
  }
  if (typeof metadata !== "object" || metadata === null) {
    throw new TypeError("its metadata is not a Headers object");
  }
  const fit = new ConnectError(fitMessage(rawMessage, log), code, undefined, undefined, cause);
  fit.details = whatFits(
    details.map(fitDetail),
    ({ value }) => value.byteLength,
    ({ type }) => `detail ${type}`,
    log,
  );
  if (!isWireError) {
    const own = new Headers(metadata);
    dropUnsendable(own, "error's metadata", log);
    const fields = [...own].filter(([name]) => !notOfErrors.test(name));
    for (const [name, value] of whatFits(
      fields,
      (field) => field.join("").length,
      ([name]) => `metadata ${name}`,
      log,
    )) {
      fit.metadata.append(name, value);
    }
  }
  return fit;
}

/** The beginning of an error's message, without half a character at its end. */
export function fitMessage(message: string, log: Log): string {
  const text = message.toWellFormed();
  // No character takes more than three bytes for each of its units.
  if (text.length <= maxErrorPartBytes / 3) {
    return text;
  }
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxErrorPartBytes));
  if (read < text.length) {
    log.line("WARNING", `the message of a call's error is cut, as it has more than ${maxErrorPartBytes} bytes`);
  }
  return text.slice(0, read);
}

/** The first entries of a list that fit together. */
function whatFits<T>(list: readonly T[], bytesOf: (each: T) => number, nameOf: (each: T) => string, log: Log): T[] {
  let left = maxErrorPartBytes;
  return list.filter((each) => {
    const bytes = bytesOf(each);
    if (bytes <= left) {
      left -= bytes;
      return true;
    }
    log.line("WARNING", `the error's ${nameOf(each)} is left out, as its ${bytes} bytes do not fit`);
    return false;
  });
}

function fitDetail(detail: ConnectError["details"][number], index: number) {
  if ("desc" in detail) {
    try {
      return { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new TypeError(`its detail ${index} is not a ${detail.desc.typeName}: ${why}`, { cause });
    }
  }
  if (typeof detail.type !== "string" || !(detail.value instanceof Uint8Array)) {
    throw new TypeError(`its detail ${index} is neither a message nor the bytes of one`);
  }
  // Not slice(), which of a Buffer is no copy.
  return { type: detail.type.toWellFormed(), value: new Uint8Array(detail.value) };
}
