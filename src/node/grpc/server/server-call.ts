import type * as http2 from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { Call, callEnded } from "../../../call/call.ts";
import type { CallContext } from "../../../call/call-context.ts";
import { createCallContext } from "../../../call/call-context.ts";
import type { CallPolicy } from "../../../call/call-policy.ts";
import { concealError, revealErrors } from "../../../call/errors/error-for-caller.ts";
import { createPacer } from "../../../call/fair-stream.ts";
import type { AnyMessage } from "../../../call/invoke/handler-output.ts";
import { callStreaming, callUnary } from "../../../call/invoke/invoke.ts";
import { encodeMessage } from "../../../call/messages/encode-message.ts";
import type { Peer } from "../../../call/peer.ts";
import { peerKey } from "../../../call/peer.ts";
import { passGate } from "../../../call/request-gate.ts";
import { setRequestId } from "../../../call/request-id.ts";
import { bodyTooLong } from "../../../http/limited-body.ts";
import { limitTimeout, readGrpcTimeout } from "../../../http/wire/timeout.ts";
import type { ServiceTableEntry } from "../../../plugin/service-table.ts";
import type { MessageQueue } from "../../../ttrpc/wire/message-queue.ts";
import { createMessageQueue } from "../../../ttrpc/wire/message-queue.ts";
import { EnvelopeReader } from "../envelope-reader.ts";
import { toHeaders } from "../fields.ts";
import { GrpcResponse } from "./response.ts";

/** What a call is made of. */
export interface GrpcServerCallParts {
  readonly stream: http2.ServerHttp2Stream;
  /** The request's header. */
  readonly fields: http2.IncomingHttpHeaders;
  readonly entry: ServiceTableEntry;
  readonly policy: CallPolicy;
  readonly peer: Peer;
  readonly requestId: string;
  readonly url: string;
  /** The header fields of every response. */
  readonly head: http2.OutgoingHttpHeaders;
  /** The compressions that the response may have. */
  readonly compressions: readonly Compression[];
  /** Is given what may run on when the call has ended. */
  readonly waitUntil: (running: Promise<unknown>) => void;
  /** Called once, when it has ended in whatever way. */
  readonly onEnd: () => void;
}

/** Messages that may wait for the handler, in bytes, before the stream is held back. */
const maxWaitingBytes = 64 * 1024;

/** One call of gRPC on the server's side, on its stream of HTTP/2. */
export class GrpcServerCall extends Call {
  readonly #parts: GrpcServerCallParts;
  readonly #context: CallContext;
  readonly #response: GrpcResponse;
  readonly #requests: MessageQueue;
  /** The refusal of a timeout that is asked for in a wrong way. */
  readonly #timeoutError: ConnectError | undefined;
  #responses: AsyncIterator<AnyMessage> | undefined;
  /** Settles when the finally blocks of a handler that was ended early have run. */
  #closing: Promise<unknown> | undefined;
  #paused = false;

  constructor(parts: GrpcServerCallParts) {
    super();
    this.#parts = parts;
    const { stream, fields, entry, policy, peer, requestId, url, head, compressions } = parts;
    const { maxDeadlineMs } = policy.limits;
    const timeoutLimits = { maxDeadlineMs, maxTimeoutMs: undefined };
    const { timeoutMs, error } = limitTimeout(textOf(fields["grpc-timeout"]), readGrpcTimeout, timeoutLimits);
    this.#timeoutError = error;
    this.#context = createCallContext({
      method: entry.spec.method,
      protocolName: "grpc",
      url,
      timeoutMs,
      requestHeader: () => toHeaders(fields),
    });
    const { values } = this.#context;
    values.set(peerKey, peer);
    setRequestId(values, requestId);
    if (policy.revealErrors) {
      revealErrors(values);
    }
    this.#requests = createMessageQueue(() => this.#goOn());
    this.#response = new GrpcResponse({ stream, fields, head, compressions, context: this.#context, policy });
    if (timeoutMs !== undefined) {
      this.startDeadline(timeoutMs);
    }
    stream.on("error", ignore);
    stream.on("close", () => this.#leave());
    this.observe(policy.observer, this.#context);
  }

  /** A caller that sends one message has a limit on all that it sends, and may not be slow with it. */
  get #single(): boolean {
    const { kind } = this.#parts.entry.spec;
    return kind === "unary" || kind === "server_streaming";
  }

  /** Passes the gates, reads the request and runs the handler. */
  start(): void {
    const { entry, policy, waitUntil } = this.#parts;
    if (entry.spec.kind !== "unary") {
      this.expectMoves(policy.limits.idleTimeoutMs);
    }
    const running = this.#run();
    // Now, so that a server that stops waits for a handler that outlives its call.
    waitUntil(running);
  }

  /** Ends the call, as the server does; its caller is told. */
  shutDown(reason: ConnectError): void {
    this.expire(ConnectError.from(reason, Code.Internal));
  }

  async #run(): Promise<void> {
    const { entry } = this.#parts;
    try {
      const { policy } = this.#parts;
      this.#checkLength();
      if (policy.gate !== undefined) {
        await passGate(policy.gate, this.#context, policy.log);
      }
      if (entry.requestGate !== undefined) {
        await passGate(entry.requestGate, this.#context, policy.log);
      }
      if (this.#timeoutError !== undefined) {
        throw this.#timeoutError;
      }
      if (this.ended) {
        return;
      }
      this.#read();
      await (entry.spec.kind === "unary" ? this.#runUnary() : this.#runStreaming());
    } catch (error) {
      this.#fail(error);
    } finally {
      await this.#closing;
    }
  }

  /** Refuses a request that announces that it is too long. */
  #checkLength() {
    const { fields, policy } = this.#parts;
    const { maxBodyBytes } = policy.limits;
    if (this.#single && maxBodyBytes !== undefined && Number(fields["content-length"] ?? 0) > maxBodyBytes) {
      throw bodyTooLong(maxBodyBytes);
    }
  }

  #read() {
    const { stream, policy } = this.#parts;
    const { maxMessageBytes, maxBodyBytes = Number.POSITIVE_INFINITY, idleTimeoutMs } = policy.limits;
    const maxBytes = this.#single ? maxBodyBytes : Number.POSITIVE_INFINITY;
    const reader = new EnvelopeReader(maxMessageBytes, (message) => this.#requests.push(message));
    if (this.#single) {
      this.expectMoves(idleTimeoutMs);
    }
    stream.on("data", (chunk: Uint8Array) => {
      if (this.ended) {
        return;
      }
      this.requestBytes += chunk.byteLength;
      this.moved();
      try {
        if (this.requestBytes > maxBytes) {
          throw bodyTooLong(maxBytes);
        }
        reader.read(chunk);
      } catch (error) {
        this.#break(error);
      }
      if (!this.#paused && this.#requests.weight > maxWaitingBytes) {
        this.#paused = true;
        stream.pause();
      }
    });
    stream.on("end", () => {
      if (reader.incomplete) {
        this.#break(new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument));
      }
      this.#requests.end();
    });
  }

  /** The handler has taken a message: there is room for more. */
  #goOn() {
    if (this.#paused && this.#requests.weight < maxWaitingBytes / 2) {
      this.#paused = false;
      this.#parts.stream.resume();
    }
  }

  async #runUnary(): Promise<void> {
    const { entry } = this.#parts;
    const input = this.#decode(await this.#onlyRequest());
    // The handler may take as long as its deadline.
    this.expectMoves(undefined);
    this.rest();
    const output = await this.run(() => callUnary(entry, this.#context, input));
    const bytes = encodeMessage(entry.spec.method.output, output);
    if (!this.ended) {
      await this.#response.message(bytes);
      this.#finish();
    }
  }

  /** As `onlyOne` takes it from an iterator, which would cost each call one. */
  async #onlyRequest(): Promise<Uint8Array> {
    const bytes = await this.#requests.next();
    if (bytes === undefined) {
      throw new ConnectError("protocol error: the request message is missing", Code.Unimplemented);
    }
    if ((await this.#requests.next()) !== undefined) {
      throw new ConnectError("protocol error: there is more than one request message", Code.Unimplemented);
    }
    return bytes;
  }

  async #runStreaming(): Promise<void> {
    const { entry } = this.#parts;
    const { output } = entry.spec.method;
    const inputs = { [Symbol.asyncIterator]: () => this.#inputs() };
    const responses = callStreaming(entry, this.#context, inputs)[Symbol.asyncIterator]();
    this.#responses = responses;
    const pacer = createPacer();
    for (;;) {
      const result = await this.run(() => responses.next());
      if (this.ended) {
        return;
      }
      if (result.done === true) {
        break;
      }
      await this.#response.message(encodeMessage(output, result.value));
      this.moved();
      const pause = pacer();
      if (pause !== undefined) {
        await pause;
      }
    }
    if (!this.ended) {
      this.#finish();
    }
  }

  async *#inputs(): AsyncGenerator<AnyMessage> {
    for (;;) {
      const bytes = await this.#requests.next();
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
      this.#break(error);
      throw error;
    }
  }

  /** The request can't be read: the caller's mistake, whatever the handler makes of it. */
  #break(error: unknown) {
    this.expire(ConnectError.from(error, Code.Internal));
  }

  /** The stream has closed: if the call has not ended, its caller has gone. */
  #leave() {
    // An error is slow to make.
    if (!this.ended) {
      this.#end(new ConnectError("the caller closed the connection", Code.Canceled));
    }
  }

  protected expire(error: ConnectError): void {
    if (!this.ended) {
      this.#response.end(error);
      this.#end(error);
    }
  }

  #fail(thrown: unknown) {
    if (!this.ended) {
      const error = concealError(thrown, this.#context, this.#parts.policy.log);
      this.#response.end(error);
      this.#end(error, callEnded());
    }
  }

  #finish() {
    if (!this.ended) {
      this.#response.end(undefined);
      this.#end(undefined);
    }
  }

  /**
   * @param error The call's failure; `undefined` if it succeeded.
   * @param reason The abort reason of the handler's signal.
   */
  #end(error: ConnectError | undefined, reason: ConnectError | undefined = error) {
    if (this.ended) {
      return;
    }
    this.markEnded();
    this.responseBytes = this.#response.bytes;
    this.endObservation(error);
    this.#requests.fail(reason ?? callEnded());
    this.#context.abort(reason);
    // The handler may be waiting for something else, so the call does not wait for its finally blocks.
    this.#closing = this.#responses?.return?.().catch(ignore);
    this.#parts.onEnd();
  }
}

function textOf(value: string | string[] | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function ignore() {
  // What reads or writes is told.
}
