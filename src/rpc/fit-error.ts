import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { dropUnsendable } from "./metadata.ts";

/**
 * What an error's metadata must not set: what belongs to the connection that it came by, if it is that of a response
 * which the handler has got from elsewhere, and what would have a browser do something. A handler that means it sets the
 * response's header.
 */
const notOfErrors =
  /^(?:access-control-.*|set-cookie2?|clear-site-data|refresh|connection|keep-alive|proxy-.*|transfer-encoding|upgrade|te|trailer|host|date|content-(?:type|length|encoding|security-policy)|grpc-(?:status|message|status-details-bin|encoding|accept-encoding|timeout)|connect-(?:content-encoding|accept-encoding|timeout-ms|protocol-version))$/;

/**
 * Copies an error into one that every protocol can carry: text that is well-formed (half characters become U+FFFD), details
 * as bytes, metadata that can be sent. Metadata that came over a wire stays behind, as with Connect: it was meant for
 * whoever made that call.
 * @throws Error that says what does not fit, or whatever looking at the error throws.
 */
export function fitError(error: ConnectError): ConnectError {
  const { code, rawMessage, details, metadata, isWireError, cause } = error;
  if (typeof rawMessage !== "string") {
    throw new TypeError(`its message is ${typeof rawMessage}, no text`);
  }
  if (!Number.isInteger(code) || Code[code] === undefined) {
    throw new RangeError(`its code is ${String(code)}, which is none of Connect's`);
  }
  if (!Array.isArray(details)) {
    throw new TypeError("its details are no list");
  }
  if (typeof metadata !== "object" || metadata === null) {
    throw new TypeError("its metadata is none");
  }
  const fit = new ConnectError(rawMessage.toWellFormed(), code, undefined, undefined, cause);
  fit.details = details.map(fitDetail);
  if (!isWireError) {
    const own = new Headers(metadata);
    dropUnsendable(own, "error's metadata");
    for (const [name, value] of own) {
      if (!notOfErrors.test(name)) {
        fit.metadata.append(name, value);
      }
    }
  }
  return fit;
}

function fitDetail(detail: ConnectError["details"][number], index: number) {
  if ("desc" in detail) {
    try {
      return { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new TypeError(`its detail ${index} is no ${detail.desc.typeName}: ${why}`, { cause });
    }
  }
  if (typeof detail.type !== "string" || !(detail.value instanceof Uint8Array)) {
    throw new TypeError(`its detail ${index} is neither a message nor the bytes of one`);
  }
  // Not slice(), which of a Buffer is no copy.
  return { type: detail.type.toWellFormed(), value: new Uint8Array(detail.value) };
}
