import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ServiceTableEntry } from "../plugin/service-table.ts";
import type { CallContext } from "../rpc/call-context.ts";
import { createCallContext } from "../rpc/call-context.ts";
import { setDeadlineTimer } from "../rpc/deadline.ts";
import { encodeMessage } from "../rpc/encode-message.ts";
import { concealError } from "../rpc/error-for-caller.ts";
import type { AnyMessage } from "../rpc/invoke.ts";
import { invokeStreaming, invokeUnary } from "../rpc/invoke.ts";
import type { Request } from "./envelope.ts";
import {
  encodeHeader,
  encodeResponse,
  fitsResponse,
  toHeaders,
  toKeyValues,
  writePayloadResponse,
} from "./envelope.ts";
import { frameFlag, frameType, maxDataBytes } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";
import type { MessageStream } from "./message-stream.ts";
import { createMessageStream, messageTooLong } from "./message-stream.ts";
import { toStatus } from "./status.ts";

/** What a call needs to know of the connection it came by. */
export interface ServerCallParts {
  readonly link: FrameLink;
  readonly streamId: number;
  readonly entry: ServiceTableEntry;
  readonly request: Request;
  /** Largest request message, in bytes. */
  readonly maxMessageBytes: number;
  /** Called once, when it has ended in whatever way. */
  readonly onEnd: () => void;
}

const cancelled = () => new ConnectError("the caller has cancelled the call", Code.Canceled);

/** One call on the server's side, from its request to its answer. */
export class ServerCall {
  readonly #parts: ServerCallParts;
  readonly #context: CallContext;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Missing for a unary call. */
  #messages: MessageStream | undefined;
  #responses: AsyncIterator<AnyMessage> | undefined;
  /** Settles when the finally blocks of a handler that was ended early have run. */
  #closing: Promise<unknown> | undefined;
  #headerSent = false;
  #ended = false;

  constructor(parts: ServerCallParts) {
    this.#parts = parts;
    const { entry, request } = parts;
    const { timeoutMs, metadata } = request;
    this.#context = createCallContext({
      method: entry.spec.method,
      protocolName: "ttrpc",
      url: `ttrpc:/${request.service}/${request.method}`,
      timeoutMs,
      requestHeader: () => toHeaders(metadata),
    });
  }

  /**
   * Runs the handler. By the flags, messages follow the request or not.
   * @returns Settles when the handler has ended, which may be long after its call.
   */
  start(flags: number): Promise<void> {
    const { entry, request, link, streamId } = this.#parts;
    const { timeoutMs, extended } = request;
    if (timeoutMs !== undefined) {
      const expire = () => this.fail("the operation timed out", Code.DeadlineExceeded);
      this.#timer = setDeadlineTimer(expire, timeoutMs);
    }
    if (entry.spec.kind === "unary") {
      return this.#runUnary();
    }
    const messages = createMessageStream(link, streamId, extended, (error) => this.end(error, error));
    this.#messages = messages;
    if ((flags & frameFlag.remoteOpen) === 0) {
      // The request is the only message; an empty one, too.
      messages.receivedFirst(request.payload);
      messages.receivedEnd();
    } else if (request.payload.byteLength > 0) {
      messages.receivedFirst(request.payload);
    }
    return this.#runStreaming(messages);
  }

  /** The data of a Data frame has come in; `undefined` if it was too long. */
  received(data: Uint8Array | undefined, flags: number): void {
    const messages = this.#messages;
    const { maxMessageBytes } = this.#parts;
    if (messages === undefined) {
      this.fail("a unary call takes no further messages", Code.InvalidArgument);
    } else if (data === undefined || data.byteLength > maxMessageBytes) {
      this.fail(`a message is longer than ${Math.min(maxMessageBytes, maxDataBytes)} bytes`, Code.ResourceExhausted);
    } else {
      if ((flags & frameFlag.noData) === 0) {
        messages.received(data);
      }
      if ((flags & frameFlag.remoteClosed) !== 0) {
        messages.receivedEnd();
      }
    }
  }

  /** The data of a Window frame has come in. */
  receivedWindow(data: Uint8Array): void {
    this.#messages?.receivedWindow(data);
  }

  /** The caller has cancelled the call. It is told nothing more. */
  cancel(): void {
    this.end(cancelled());
  }

  /** Ends the call before its handler has, and tells the caller. */
  fail(message: string, code: Code): void {
    const error = new ConnectError(message, code);
    this.end(error, error);
  }

  /**
   * Ends the call before its handler has.
   * @param reason What the handler's signal says.
   * @param error What the caller is told. Default: nothing.
   */
  end(reason: unknown, error?: ConnectError): void {
    if (!this.#ended) {
      if (error !== undefined) {
        this.#answerError(error);
      }
      this.#finish(reason);
    }
  }

  async #runUnary() {
    const { entry, request } = this.#parts;
    const { method } = entry.spec;
    try {
      const input = this.#decode(request.payload);
      const output = await invokeUnary(entry, this.#context, input);
      if (!this.#ended) {
        this.#answer(encodeMessage(method.output, output));
        this.#finish();
      }
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  async #runStreaming(messages: MessageStream) {
    const { entry } = this.#parts;
    const { kind, method } = entry.spec;
    try {
      const iterable = invokeStreaming(entry, this.#context, this.#requests(messages));
      const responses = iterable[Symbol.asyncIterator]();
      this.#responses = responses;
      if (kind === "client_streaming") {
        const { value } = await responses.next();
        if (!this.#ended) {
          this.#answer(encodeMessage(method.output, value));
          this.#finish();
        }
        return;
      }
      let result = await responses.next();
      while (!this.#ended && result.done !== true) {
        this.#sendHeader();
        await messages.send(encodeMessage(method.output, result.value));
        result = await responses.next();
      }
      if (!this.#ended) {
        const { header, trailer } = this.#metadata();
        if (header.length > 0 || trailer.length > 0) {
          this.#respond({ header, trailer });
        } else {
          messages.sendEnd();
        }
        this.#finish();
      }
    } catch (error) {
      this.#handlerFailed(error);
    } finally {
      await this.#closing;
    }
  }

  async *#requests(messages: MessageStream): AsyncGenerator<AnyMessage> {
    for (;;) {
      const bytes = await messages.next();
      if (bytes === undefined) {
        return;
      }
      yield this.#decode(bytes);
    }
  }

  #decode(bytes: Uint8Array): AnyMessage {
    const { input } = this.#parts.entry.spec.method;
    try {
      return fromBinary(input, bytes);
    } catch {
      const error = new ConnectError(`the message is no ${input.typeName}`, Code.InvalidArgument);
      this.end(error, error);
      throw error;
    }
  }

  #handlerFailed(error: unknown) {
    if (!this.#ended) {
      this.#answerError(concealError(error, this.#parts.entry.spec.method, this.#context.signal));
      this.#finish();
    }
  }

  #answer(payload: Uint8Array) {
    const { link, streamId } = this.#parts;
    const { header, trailer } = this.#metadata();
    if (!fitsResponse(payload)) {
      this.#answerError(messageTooLong(payload.byteLength));
    } else if (header.length === 0 && trailer.length === 0) {
      writePayloadResponse(link.writer, streamId, payload);
      link.flush();
    } else {
      this.#respond({ payload, header, trailer });
    }
  }

  #answerError(error: ConnectError) {
    const { header, trailer } = this.#metadata();
    const all = this.#parts.request.extended ? [...trailer, ...toKeyValues(error.metadata)] : [];
    this.#respond({ status: toStatus(error), header, trailer: all });
  }

  /** A frame that is too long would be skipped by the other side, and one of 16 MiB break the connection. */
  #respond(response: Parameters<typeof encodeResponse>[0]) {
    const { link, streamId } = this.#parts;
    let data = encodeResponse(response);
    if (data.byteLength > maxDataBytes) {
      data = encodeResponse({ status: toStatus(answerTooLong("response with its metadata", data)) });
    }
    link.send(streamId, frameType.response, frameFlag.none, data);
  }

  /** What rides in a response beside status and message: only for those who know of it. */
  #metadata() {
    const { responseHeaderIfAny, responseTrailerIfAny } = this.#context;
    return this.#parts.request.extended
      ? { header: this.#headerSent ? [] : toKeyValues(responseHeaderIfAny), trailer: toKeyValues(responseTrailerIfAny) }
      : { header: [], trailer: [] };
  }

  /** Headers go before the first message; without any there is no frame. */
  #sendHeader() {
    if (!this.#headerSent) {
      this.#headerSent = true;
      const { link, streamId, request } = this.#parts;
      const entries = toKeyValues(this.#context.responseHeaderIfAny);
      if (request.extended && entries.length > 0) {
        const data = encodeHeader(entries);
        if (data.byteLength > maxDataBytes) {
          const error = answerTooLong("response header", data);
          this.end(error, error);
        } else {
          link.send(streamId, frameType.header, frameFlag.none, data);
        }
      }
    }
  }

  #finish(reason?: unknown) {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#messages?.fail(reason ?? cancelled());
    this.#context.abort(reason);
    // The handler may be waiting for something else, so the call does not wait for its finally blocks.
    this.#closing = this.#responses?.return?.().catch(() => undefined);
    this.#parts.onEnd();
  }
}

function answerTooLong(what: string, { byteLength }: Uint8Array): ConnectError {
  return new ConnectError(
    `the ${what} has ${byteLength} bytes, which is more than ttrpc can carry (${maxDataBytes})`,
    Code.ResourceExhausted,
  );
}
