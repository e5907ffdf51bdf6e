import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { onlyOne } from "../../base/only-one.ts";
import { createPacer } from "../../call/fair-stream.ts";
import type { AnyMessage } from "../../call/invoke/handler-output.ts";
import { callStreaming, callUnary, isPromise } from "../../call/invoke/invoke.ts";
import type { CallParts } from "./carried-call.ts";
import { CarriedCall } from "./carried-call.ts";
import type { CallResponse } from "./carrier.ts";
import type { Codec, Format } from "./codec.ts";
import { requestCompression, responseCompression } from "./compression.ts";
import { compressedFlag, decodeEnvelopes, encodeEnvelope } from "./envelope.ts";
import type { EnvelopeProtocol } from "./protocols.ts";

const over = { done: true, value: undefined } as const;

/** The response of a call, or its request's messages, one by one. */
type Chunks = AsyncIterableIterator<Uint8Array>;

/** A call whose messages travel in envelopes: a stream of Connect's, or any call of gRPC-Web. */
export class StreamingCall extends CarriedCall {
  readonly #protocol: EnvelopeProtocol;
  readonly #format: Format;
  readonly #codec: Codec;
  readonly #pacer = createPacer();
  /** Of the response's messages. */
  #compression: Compression | undefined;
  /** The handler's messages, or what stands for those of a unary one. */
  #responses: AsyncIterator<AnyMessage> | undefined;
  /** Has been asked for already, so that the handler can set headers before the response begins. */
  #first: IteratorResult<AnyMessage> | undefined;
  #failure: ConnectError | undefined;
  /** Complete when the response has ended. */
  readonly #trailer = new Headers();
  readonly #handlerEnds = Promise.withResolvers<void>();

  constructor(parts: CallParts, protocol: EnvelopeProtocol, format: Format) {
    super(parts, protocol);
    this.#protocol = protocol;
    this.#format = format;
    this.#codec = parts.method.codecs[format];
  }

  /** @param leastBytes Bytes that the body has at least, by what is announced. */
  async respond(leastBytes: number): Promise<CallResponse> {
    const { method, request, policy } = this.parts;
    const contentType = this.#protocol.contentType[this.#format];
    this.watch();
    if (method.desc.methodKind !== "unary") {
      this.expectMoves(policy.limits.idleTimeoutMs);
    }
    let compression: Compression | undefined;
    try {
      await this.admit(leastBytes);
      compression = this.#negotiate();
    } catch (error) {
      this.#failure = this.refusal(error);
    }
    if (this.#failure === undefined) {
      try {
        request.waitUntil(this.#handlerEnds.promise);
        this.#responses = this.#invoke(this.#requests(compression));
        this.#first = await this.#next(this.#responses);
      } catch (error) {
        this.#failure = this.conceal(error);
      }
    }
    let header = this.sendableHeader();
    if (this.#compression !== undefined) {
      header ??= new Headers();
      header.set(this.#protocol.encodingField, this.#compression.name);
    }
    header?.set("Content-Type", contentType);
    const trailer = this.#protocol.name === "grpc" && { trailer: this.#trailer };
    return { status: 200, header, contentType, body: this.#body(), ...trailer };
  }

  /** @returns The compression of the request. */
  #negotiate(): Compression | undefined {
    const { method, request } = this.parts;
    const { acceptCompression } = method;
    const { name, encodingField, acceptEncodingField } = this.#protocol;
    const { header } = request;
    if (method.requireConnectProtocolHeader && name === "connect" && header.get("Connect-Protocol-Version") !== "1") {
      throw new ConnectError('the header Connect-Protocol-Version has to be "1"', Code.InvalidArgument);
    }
    const encoding = header.get(encodingField);
    if (method.compressMinBytes < Number.POSITIVE_INFINITY) {
      this.#compression = responseCompression(acceptCompression, header.get(acceptEncodingField), encoding);
    }
    return requestCompression(acceptCompression, encoding, acceptEncodingField);
  }

  async *#requests(compression: Compression | undefined): AsyncGenerator<AnyMessage> {
    const { method, request } = this.parts;
    if (request.body === null) {
      return;
    }
    const chunks = this.openBody(request.body, "envelopes");
    for await (const { flags, data } of decodeEnvelopes(chunks, method.readMaxBytes)) {
      if ((flags & this.#protocol.endFlag) === 0) {
        const compressed = (flags & compressedFlag) !== 0;
        yield this.#codec.read(compressed ? await decompress(data, compression, method.readMaxBytes) : data);
      }
    }
  }

  #invoke(requests: AsyncGenerator<AnyMessage>): AsyncIterator<AnyMessage> {
    const { entry } = this.parts.method;
    return entry.spec.kind === "unary"
      ? this.#unary(requests)
      : callStreaming(entry, this.context, requests)[Symbol.asyncIterator]();
  }

  async *#unary(requests: AsyncGenerator<AnyMessage>): AsyncGenerator<AnyMessage> {
    const input = await onlyOne(requests);
    const given = this.run(() => callUnary(this.parts.method.entry, this.context, input));
    yield isPromise(given) ? await given : given;
  }

  #next(responses: AsyncIterator<AnyMessage>): Promise<IteratorResult<AnyMessage>> {
    // Of a unary call there is one piece to run, and messages come before it.
    const isUnary = this.parts.method.desc.methodKind === "unary";
    return this.untilInterrupted(isUnary ? responses.next() : this.run(() => responses.next()));
  }

  #body(): Chunks {
    const leave = async () => {
      this.leave(new ConnectError("the caller stopped reading the response", Code.Canceled));
      return over;
    };
    const chunks: Chunks = {
      next: async () => {
        if (this.ended) {
          return over;
        }
        const value = (await this.#message()) ?? this.#last();
        return value === undefined ? over : { done: false, value };
      },
      return: leave,
      throw: leave,
      [Symbol.asyncIterator]: () => chunks,
    };
    return chunks;
  }

  /** The next message; `undefined` if there is none, as the call has ended or failed. */
  async #message(): Promise<Uint8Array | undefined> {
    const responses = this.#responses;
    if (this.#failure !== undefined || responses === undefined) {
      return undefined;
    }
    try {
      const pause = this.#pacer();
      if (pause !== undefined) {
        await pause;
      }
      const result = this.#first ?? (await this.#next(responses));
      this.#first = undefined;
      if (result.done === true || this.ended) {
        return undefined;
      }
      const envelope = await this.#encode(this.#codec.write(result.value));
      this.responseBytes += envelope.byteLength;
      this.moved();
      return envelope;
    } catch (error) {
      this.#failure = this.conceal(error);
      return undefined;
    }
  }

  async #encode(data: Uint8Array): Promise<Uint8Array> {
    if (this.#compression === undefined || data.byteLength < this.parts.method.compressMinBytes) {
      return encodeEnvelope(0, data);
    }
    return encodeEnvelope(compressedFlag, await this.#compression.compress(data));
  }

  #last(): Uint8Array | undefined {
    if (this.ended) {
      return undefined;
    }
    for (const headers of [this.sendableTrailer(), this.#failure?.metadata]) {
      headers?.forEach((value, name) => {
        this.#trailer.append(name, value);
      });
    }
    const last = this.#protocol.end(this.#trailer, this.#failure);
    this.responseBytes += last?.byteLength ?? 0;
    this.#end(this.#failure);
    return last;
  }

  protected override leave(error: ConnectError): void {
    super.leave(error);
    // Its response may never be read on.
    this.#end(error);
  }

  protected override expire(error: ConnectError): void {
    super.expire(error);
    this.#closeHandler();
  }

  #end(failure: ConnectError | undefined) {
    this.finish(failure);
    this.#closeHandler();
  }

  /** The handler may be waiting for something else, so this does not wait for its finally blocks. */
  #closeHandler() {
    const { resolve } = this.#handlerEnds;
    Promise.resolve(this.#responses?.return?.()).then(
      () => resolve(),
      () => resolve(),
    );
  }
}

async function decompress(data: Uint8Array, compression: Compression | undefined, maxBytes: number) {
  if (compression === undefined) {
    throw new ConnectError("a message is compressed, but the request does not say how", Code.Internal);
  }
  return compression.decompress(data, maxBytes);
}
