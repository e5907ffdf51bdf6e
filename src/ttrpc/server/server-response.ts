import { Code, ConnectError } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import type { CallContext } from "../../call/call-context.ts";
import { dropUnsendable } from "../../call/messages/metadata.ts";
import { requestIdHeader, requestIdOf } from "../../call/request-id.ts";
import { maxDataBytes } from "../limits.ts";
import { encodeHeader, encodeResponse, fitsResponse, writePayloadResponse } from "../wire/envelope.ts";
import { frameFlag, frameType } from "../wire/frame.ts";
import type { FrameLink } from "../wire/frame-link.ts";
import type { MessageStream } from "../wire/message-stream.ts";
import { messageTooLong } from "../wire/message-stream.ts";
import { toKeyValues } from "../wire/metadata.ts";
import { toStatus } from "../wire/status.ts";

/** Bytes that a message's tag and length take in an envelope. */
const fieldOverheadBytes = 5;

/** The call that a response belongs to, as far as the response needs it. */
interface ServerResponseParts {
  readonly link: FrameLink;
  readonly streamId: number;
  /** True if the caller knows of metadata. */
  readonly extended: boolean;
  readonly context: CallContext;
  readonly log: Log;
}

/** The response to a call, beside the messages of a stream. */
export class ServerResponse {
  /** Bytes of all messages that were sent. */
  bytes = 0;
  readonly #parts: ServerResponseParts;
  #headerSent = false;

  constructor(parts: ServerResponseParts) {
    this.#parts = parts;
  }

  /** True if the only message fits into the response, with its metadata. */
  fits(payload: Uint8Array): boolean {
    return (
      payload.byteLength < maxDataBytes / 2 ||
      payload.byteLength + fieldOverheadBytes + encodeResponse(this.#metadata()).byteLength <= maxDataBytes
    );
  }

  /**
   * Sends the only message.
   * @returns The error that the caller got instead, if it can't be sent.
   */
  sendMessage(payload: Uint8Array): ConnectError | undefined {
    const { link, streamId } = this.#parts;
    const { header, trailer } = this.#metadata();
    if (!fitsResponse(payload)) {
      const error = messageTooLong(payload.byteLength);
      this.sendError(error);
      return error;
    }
    this.bytes += payload.byteLength;
    if (header.length === 0 && trailer.length === 0) {
      writePayloadResponse(link.writer, streamId, payload);
      link.flush();
      return undefined;
    }
    return this.#respond({ payload, header, trailer });
  }

  /** Tells what the call has failed with. */
  sendError(error: ConnectError): void {
    const { header, trailer } = this.#metadata();
    const all = this.#parts.extended ? [...trailer, ...toKeyValues(this.#named(error.metadata))] : [];
    this.#respond({ status: toStatus(error), header, trailer: all });
  }

  /**
   * Ends a stream, with the metadata that was not sent yet, if there is any.
   * @returns The error that the caller got instead, if that can't be sent.
   */
  endStream(messages: MessageStream): ConnectError | undefined {
    const metadata = this.#metadata();
    if (metadata.header.length > 0 || metadata.trailer.length > 0) {
      return this.#respond(metadata);
    }
    messages.sendEnd();
    return undefined;
  }

  /** Sends the headers, which go before the first message; without any there is no frame. */
  sendHeader(): void {
    if (this.#headerSent) {
      return;
    }
    this.#headerSent = true;
    const { link, streamId, extended, context, log } = this.#parts;
    dropUnsendable(context.responseHeaderIfAny, "response's header", log);
    const entries = toKeyValues(context.responseHeaderIfAny);
    if (extended && entries.length > 0) {
      link.send(streamId, frameType.header, frameFlag.none, encodeHeader(entries));
    }
  }

  /** The metadata of an error, with the id under which the request is in the log; over HTTP every response has it. */
  #named(metadata: Headers): Headers {
    if (metadata.has(requestIdHeader)) {
      return metadata;
    }
    const named = new Headers(metadata);
    named.set(requestIdHeader, requestIdOf(this.#parts.context));
    return named;
  }

  /**
   * A frame that is too long would be skipped by the other side, and one of 16 MiB break the connection.
   * @returns The error that the caller got instead, if that is so.
   */
  #respond(response: Parameters<typeof encodeResponse>[0]): ConnectError | undefined {
    const { link, streamId } = this.#parts;
    const data = encodeResponse(response);
    if (data.byteLength <= maxDataBytes) {
      link.send(streamId, frameType.response, frameFlag.none, data);
      return undefined;
    }
    const error = responseTooLong(data);
    link.send(streamId, frameType.response, frameFlag.none, encodeResponse({ status: toStatus(error) }));
    return error;
  }

  /** The metadata of a response beside status and message: only for callers who know of it. */
  #metadata() {
    const { extended, context, log } = this.#parts;
    const { responseHeaderIfAny, responseTrailerIfAny } = context;
    dropUnsendable(responseHeaderIfAny, "response's header", log);
    dropUnsendable(responseTrailerIfAny, "response's trailer", log);
    return extended
      ? { header: this.#headerSent ? [] : toKeyValues(responseHeaderIfAny), trailer: toKeyValues(responseTrailerIfAny) }
      : { header: [], trailer: [] };
  }
}

function responseTooLong({ byteLength }: Uint8Array): ConnectError {
  return new ConnectError(
    `the response with its metadata has ${byteLength} bytes, which is more than ttrpc can carry (${maxDataBytes})`,
    Code.ResourceExhausted,
  );
}
