import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import type { Log } from "../base/log.ts";
import { fieldBytes, notInResponses, unsendable } from "../call/messages/connection-fields.ts";
import { leaveOut } from "../call/messages/metadata.ts";
import { StatusSchema } from "../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";

/** The fields that frame a message, which have no place after it (RFC 9110, section 6.5.1). */
const notInTrailers = [...notInResponses, "content-length"];

const whose = "response's trailer";
const statusName = "grpc-status";
const messageName = "grpc-message";
const detailsName = "grpc-status-details-bin";

/**
 * Makes the trailers of a gRPC call fit to be sent: what would be malformed in them is left out, and what is too long for the
 * caller, or for the connection, too. Of an error the code always arrives; its message may be cut and its details be left out,
 * before which metadata goes. Each is told in the log.
 * @param maxBytes As HTTP/2 counts fields, see `fieldBytes`.
 */
export function fitTrailers(trailer: Headers, maxBytes: number, log: Log): void {
  for (const name of notInTrailers) {
    if (trailer.has(name)) {
      leaveOut(trailer, whose, name, "it belongs to a connection", log);
    }
  }
  let bytes = 0;
  for (const [name, value] of [...trailer]) {
    if (unsendable.test(value)) {
      leaveOut(trailer, whose, name, "it has a control character in it", log);
    } else {
      bytes += fieldBytes(name, value);
    }
  }
  if (bytes > maxBytes) {
    shorten(trailer, maxBytes, log);
  }
}

/** Keeps what matters most, each in what the ones before it have left. */
function shorten(trailer: Headers, maxBytes: number, log: Log) {
  let left = maxBytes - fieldBytes(statusName, trailer.get(statusName) ?? "");
  const message = trailer.get(messageName);
  if (message !== null) {
    // Beside a message that is long on its own there should be room for others; the details have it again, in Base64.
    const share = trailer.has(detailsName) ? left / 3 : (left * 3) / 4;
    const kept = cutPercentEncoded(message, Math.floor(share) - fieldBytes(messageName, ""));
    if (kept !== message) {
      log.line(
        "WARNING",
        `the message of a call's error is cut, as its ${message.length} bytes don't fit into trailers`,
      );
      trailer.set(messageName, kept);
      cutStatus(trailer, kept, log);
    }
    left -= fieldBytes(messageName, kept);
  }
  const others = [...trailer.keys()].filter((name) => ![statusName, messageName, detailsName].includes(name));
  for (const name of [detailsName, ...others]) {
    const value = trailer.get(name);
    if (value !== null) {
      const bytes = fieldBytes(name, value);
      if (bytes > left) {
        leaveOut(trailer, whose, name, `its ${value.length} bytes don't fit into trailers`, log);
      } else {
        left -= bytes;
      }
    }
  }
}

/** The details tell the message again. What a handler has set as one or the other itself may be neither. */
function cutStatus(trailer: Headers, message: string, log: Log) {
  const details = trailer.get(detailsName);
  if (details === null) {
    return;
  }
  try {
    const status = fromBinary(StatusSchema, decodeBinaryHeader(details));
    const cut = toBinary(StatusSchema, { ...status, message: decodeURIComponent(message) });
    trailer.set(detailsName, encodeBinaryHeader(cut));
  } catch {
    leaveOut(trailer, whose, detailsName, "it can't be read", log);
  }
}

/** The beginning of a percent-encoded text, in at most so many bytes, without half a character at its end. */
function cutPercentEncoded(text: string, maxBytes: number): string {
  if (text.length <= maxBytes) {
    return text;
  }
  let end = Math.max(0, maxBytes);
  // Within a "%XX", or before one that goes on with a character: %80 to %BF.
  while (
    end > 0 &&
    (/%.?$/.test(text.slice(Math.max(0, end - 2), end)) || /^%[89AB]/i.test(text.slice(end, end + 2)))
  ) {
    end -= 1;
  }
  return text.slice(0, end);
}
