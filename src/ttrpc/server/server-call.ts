import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call, callEnded } from "../../call/call.ts";
import type { CallContext } from "../../call/call-context.ts";
import { createCallContext } from "../../call/call-context.ts";
import type { CallPolicy } from "../../call/call-policy.ts";
import { concealError, revealErrors } from "../../call/errors/error-for-caller.ts";
import { createPacer } from "../../call/fair-stream.ts";
import type { AnyMessage } from "../../call/invoke/handler-output.ts";
import { invokeStreaming, invokeUnary } from "../../call/invoke/invoke.ts";
import { encodeMessage } from "../../call/messages/encode-message.ts";
import type { Peer } from "../../call/peer.ts";
import { peerKey } from "../../call/peer.ts";
import type { RequestGate } from "../../call/request-gate.ts";
import { passGate } from "../../call/request-gate.ts";
import type { ServiceTableEntry } from "../../plugin/service-table.ts";
import { maxDataBytes } from "../limits.ts";
import { callHeaders } from "../upgrade-headers.ts";
import type { Backlog } from "../wire/backlog.ts";
import { backlogFull } from "../wire/backlog.ts";
import type { Request } from "../wire/envelope.ts";
import { frameFlag, openFlags } from "../wire/frame.ts";
import type { FrameLink } from "../wire/frame-link.ts";
import type { MessageStream } from "../wire/message-stream.ts";
import { createMessageStream } from "../wire/message-stream.ts";
import { initialWindowBytes } from "../wire/send-window.ts";
import { ServerResponse } from "./server-response.ts";

/** The connection of a call, as far as the call needs it. */
export interface ServerCallParts {
  readonly link: FrameLink;
  readonly backlog: Backlog;
  readonly streamId: number;
  readonly entry: ServiceTableEntry;
  readonly request: Request;
  readonly policy: CallPolicy;
  /** The other end of the connection. */
  readonly peer: Peer | undefined;
  /** Called once, when it has ended in whatever way. */
  readonly onEnd: () => void;
}

const cancelled = () => new ConnectError("the caller has cancelled the call", Code.Canceled);

/** One call on the server's side, from its request to its response. */
export class ServerCall extends Call {
  readonly #parts: ServerCallParts;
  readonly #context: CallContext;
  readonly #response: ServerResponse;
  /** Missing for a unary call. */
  #messages: MessageStream | undefined;
  #responses: AsyncIterator<AnyMessage> | undefined;
  /** Settles when the finally blocks of a handler that was ended early have run. */
  #closing: Promise<unknown> | undefined;
  /** The gate has not decided. */
  #waitsForGate = false;

  constructor(parts: ServerCallParts) {
    super();
    this.#parts = parts;
    const { entry, request, policy, peer, link, streamId } = parts;
    const { metadata, extended } = request;
    this.requestBytes = request.payload.byteLength;
    this.#context = createCallContext({
      method: entry.spec.method,
      protocolName: "ttrpc",
      url: `ttrpc:/${request.service}/${request.method}`,
      timeoutMs: this.#timeoutMs(),
      requestHeader: () => callHeaders(metadata, peer),
    });
    this.#response = new ServerResponse({ link, streamId, extended, context: this.#context, log: policy.log });
    if (peer !== undefined) {
      this.#context.values.set(peerKey, peer);
    }
    if (policy.revealErrors) {
      revealErrors(this.#context.values);
    }
    this.observe(policy.observer, this.#context);
  }

  /** A caller may only shorten what the policy allows. */
  #timeoutMs(): number | undefined {
    const { request, policy } = this.#parts;
    const { maxDeadlineMs } = policy.limits;
    return maxDeadlineMs === undefined
      ? request.timeoutMs
      : Math.min(request.timeoutMs ?? maxDeadlineMs, maxDeadlineMs);
  }

  /**
   * Runs the handler. By the flags, messages follow the request or not.
   * @returns Settles when the handler has ended, which may be long after its call.
   */
  start(flags: number): Promise<void> {
    const { entry, request, policy } = this.#parts;
    const timeoutMs = this.#timeoutMs();
    if (timeoutMs !== undefined) {
      this.startDeadline(timeoutMs);
    }
    const { gate, limits } = policy;
    if (entry.spec.kind === "unary") {
      if (request.chunked && (flags & openFlags.stream) === openFlags.stream) {
        // Its message follows.
        this.#messages = this.#openMessages();
        this.expectMoves(limits.idleTimeoutMs);
      }
      return gate === undefined ? this.#runUnary() : this.#runGated(gate, () => this.#runUnary());
    }
    const messages = this.#openMessages();
    this.#messages = messages;
    const closed = (flags & frameFlag.remoteOpen) === 0;
    // The only message may be empty. Before others, some clients say that there is none in here (ttrpc-rust), and some
    // leave it empty (containerd).
    if ((flags & frameFlag.noData) === 0 && (closed || request.payload.byteLength > 0)) {
      messages.receivedFirst(request.payload);
    }
    if (closed) {
      messages.receivedEnd();
    }
    this.expectMoves(limits.idleTimeoutMs);
    return gate === undefined ? this.#runStreaming(messages) : this.#runGated(gate, () => this.#runStreaming(messages));
  }

  #openMessages(): MessageStream {
    const { link, backlog, streamId, request, policy } = this.#parts;
    const { extended, chunked } = request;
    return createMessageStream({
      link,
      backlog,
      streamId,
      extended,
      chunked,
      maxMessageBytes: policy.limits.maxMessageBytes,
      violationCode: Code.InvalidArgument,
      onViolation: (error) => this.end(error, error),
      onSent: () => this.moved(),
    });
  }

  async #runGated(gate: RequestGate, run: () => Promise<void>) {
    const { backlog, request } = this.#parts;
    // What a stream has got, the stream counts.
    const bytes = this.#messages === undefined ? request.payload.byteLength : 0;
    if (bytes > 0 && backlog.full(request.extended)) {
      this.end(backlogFull(), backlogFull());
      return;
    }
    backlog.add(bytes);
    this.#waitsForGate = true;
    try {
      await passGate(gate, this.#context, this.#parts.policy.log);
    } catch (error) {
      this.#handlerFailed(error);
      return;
    } finally {
      this.#waitsForGate = false;
      backlog.add(-bytes);
    }
    if (!this.ended) {
      await run();
    }
  }

  /** The data of a Data frame has come in; `undefined` if it was too long. */
  received(data: Uint8Array | undefined, flags: number): void {
    const messages = this.#messages;
    const { link, policy } = this.#parts;
    const { maxMessageBytes } = policy.limits;
    this.requestBytes += data?.byteLength ?? 0;
    this.moved();
    if (messages === undefined) {
      this.fail("a unary call takes no further messages", Code.InvalidArgument);
    } else if (data === undefined || data.byteLength > maxMessageBytes) {
      this.fail(`a message is longer than ${Math.min(maxMessageBytes, maxDataBytes)} bytes`, Code.ResourceExhausted);
    } else {
      if ((flags & frameFlag.noData) === 0) {
        if (this.#waitsForGate && !link.canPause && messages.waiting >= initialWindowBytes) {
          // The caller is not known yet, and can't be held back otherwise.
          this.end(backlogFull(), backlogFull());
          return;
        }
        messages.received(data);
      }
      if ((flags & frameFlag.remoteClosed) !== 0) {
        messages.receivedEnd();
      }
    }
  }

  /** The data of a Chunk frame has come in; `undefined` if it was too long. */
  receivedChunk(data: Uint8Array | undefined, flags: number): void {
    if (!this.#parts.request.chunked) {
      // Something newer than what this call knows.
      return;
    }
    const messages = this.#messages;
    this.requestBytes += data?.byteLength ?? 0;
    this.moved();
    if (messages === undefined) {
      this.fail("a unary call takes no further messages", Code.InvalidArgument);
    } else if (data === undefined) {
      this.fail(`a chunk is longer than ${maxDataBytes} bytes`, Code.ResourceExhausted);
    } else {
      messages.receivedChunk(data, flags);
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
   * @param reason The abort reason of the handler's signal.
   * @param error The caller's error. Default: the caller is told nothing.
   */
  end(reason: unknown, error?: ConnectError): void {
    if (!this.ended) {
      if (error !== undefined) {
        this.#response.sendError(error);
      }
      this.#finish(reason, error ?? ConnectError.from(reason, Code.Canceled));
    }
  }

  async #runUnary() {
    const { entry, request } = this.#parts;
    const { method } = entry.spec;
    try {
      const input = this.#decode(
        this.#messages === undefined ? request.payload : await this.#following(this.#messages),
      );
      const output = await this.run(() => invokeUnary(entry, this.#context, input));
      await this.#respond(encodeMessage(method.output, output));
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  /** The message of a unary call that did not fit into its request. */
  async #following(messages: MessageStream): Promise<Uint8Array> {
    const message = await messages.next();
    // The handler may take as long as its deadline.
    this.rest();
    if (message === undefined) {
      throw new ConnectError("the request has no message", Code.InvalidArgument);
    }
    return message;
  }

  async #runStreaming(messages: MessageStream) {
    const { entry } = this.#parts;
    const { kind, method } = entry.spec;
    try {
      const iterable = invokeStreaming(entry, this.#context, this.#requests(messages));
      const responses = iterable[Symbol.asyncIterator]();
      this.#responses = responses;
      const next = () => this.run(() => responses.next());
      if (kind === "client_streaming") {
        const { value } = await next();
        await this.#respond(encodeMessage(method.output, value));
        return;
      }
      const pacer = createPacer();
      let result = await next();
      while (!this.ended && result.done !== true) {
        this.#response.sendHeader();
        const bytes = encodeMessage(method.output, result.value);
        this.#response.bytes += bytes.byteLength;
        const sent = messages.send(bytes);
        if (sent !== undefined) {
          await sent;
        }
        this.moved();
        const pause = pacer();
        if (pause !== undefined) {
          await pause;
        }
        result = await next();
      }
      if (!this.ended) {
        this.#finish(undefined, this.#response.endStream(messages));
      }
    } catch (error) {
      this.#handlerFailed(error);
    } finally {
      await this.#closing;
    }
  }

  /** Ends the call with its only message. */
  #respond(bytes: Uint8Array): Promise<void> | undefined {
    if (this.ended) {
      return undefined;
    }
    if (this.#parts.request.chunked && !this.#response.fits(bytes)) {
      return this.#respondInChunks(bytes);
    }
    this.#finish(undefined, this.#response.sendMessage(bytes));
    return undefined;
  }

  async #respondInChunks(bytes: Uint8Array) {
    this.#messages ??= this.#openMessages();
    this.#response.bytes += bytes.byteLength;
    await this.#messages.sendInChunks(bytes);
    if (!this.ended) {
      this.#finish(undefined, this.#response.sendMessage(new Uint8Array(0)));
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
      const error = new ConnectError(`the message is not a valid ${input.typeName}`, Code.InvalidArgument);
      this.end(error, error);
      throw error;
    }
  }

  #handlerFailed(error: unknown) {
    if (!this.ended) {
      const forCaller = concealError(error, this.#context, this.#parts.policy.log);
      this.#response.sendError(forCaller);
      this.#finish(undefined, forCaller);
    }
  }

  protected expire(error: ConnectError): void {
    this.end(error, error);
  }

  /**
   * @param reason The abort reason of the handler's signal. Default: that the call has ended.
   * @param error The call's failure; `undefined` if it succeeded.
   */
  #finish(reason?: unknown, error?: ConnectError) {
    this.markEnded();
    this.responseBytes = this.#response.bytes;
    this.endObservation(error);
    this.#messages?.fail(reason ?? callEnded());
    this.#context.abort(reason);
    // The handler may be waiting for something else, so the call does not wait for its finally blocks.
    this.#closing = this.#responses?.return?.().catch(() => undefined);
    this.#parts.onEnd();
  }
}
