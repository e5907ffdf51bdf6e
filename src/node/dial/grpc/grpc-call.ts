import * as http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Address } from "../../../address/endpoint.ts";
import { setDeadlineTimer } from "../../../base/async/within.ts";
import { timedOut } from "../../../call/time/deadline.ts";
import { markWireError } from "../../../client/calls/wire-errors.ts";
import { EnvelopeReader } from "../../grpc/envelope-reader.ts";
import { noteFailure, resetOf } from "../../http2/reset.ts";
import { explainLoss } from "../connection-lost.ts";
import type { Http2Connection } from "../http2-connection.ts";
import { isBegun, readHeader, readTrailer } from "./response-fields.ts";

const { constants } = http2;

/** What ends a call, and what it takes. */
export interface GrpcCallOptions {
  readonly connection: Http2Connection;
  /** The connection as it is open now. */
  readonly session: http2.ClientHttp2Session;
  readonly address: Pick<Address, "text">;
  /** The calls in flight, which this one is among until it has ended. */
  readonly calls: Set<GrpcCall>;
  readonly signal: AbortSignal | undefined;
  /** Time left until the deadline, in milliseconds; `undefined` without one. */
  readonly timeoutMs: number | undefined;
  /** Largest response message, in bytes. */
  readonly maxMessageBytes: number;
}

/** Is told of what comes of a call. */
export interface GrpcListener {
  /** The response has begun. What comes before its messages can say that it has failed, after which none are read. */
  begun?(failure: ConnectError | undefined): void;
  /** @throws ConnectError that the call then fails with */
  message(bytes: Uint8Array): void;
  /**
   * The call has ended; nothing else comes after.
   * @param own True if the error is this side's: what the caller has asked for by its signal, its deadline or by closing.
   */
  ended(error: ConnectError | undefined, own: boolean): void;
}

/** A call in flight: a stream of HTTP/2, from its request to its trailers. */
export class GrpcCall {
  readonly stream: http2.ClientHttp2Stream;
  readonly #listener: GrpcListener;
  readonly #options: GrpcCallOptions;
  readonly #reader: EnvelopeReader;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #header: http2.IncomingHttpHeaders | undefined;
  #trailer: http2.IncomingHttpHeaders | undefined;
  /** The response is headers alone. */
  #headerOnly = false;
  #ended = false;
  /** What has come before the header, as on a carrier whose bytes are taken apart before its events are told. */
  #early: Uint8Array[] | undefined;

  constructor(fields: http2.OutgoingHttpHeaders, options: GrpcCallOptions, listener: GrpcListener) {
    const { connection, session, calls, signal, timeoutMs, maxMessageBytes } = options;
    this.#listener = listener;
    this.#options = options;
    this.#reader = new EnvelopeReader(maxMessageBytes, (message) => listener.message(message));
    this.stream = connection.start(session, fields);
    this.#watch();
    calls.add(this);
    signal?.addEventListener("abort", this);
    this.#timer = timeoutMs === undefined ? undefined : setDeadlineTimer(() => this.cancel(timedOut()), timeoutMs);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The response's header; empty until it has come. */
  get header(): http2.IncomingHttpHeaders {
    return this.#header ?? {};
  }

  get trailer(): http2.IncomingHttpHeaders {
    return this.#trailer ?? {};
  }

  /** Ends the call from this side, and tells the server. */
  cancel(error: ConnectError): void {
    if (!this.#ended) {
      this.#end(error, true);
      this.#abandon(constants.NGHTTP2_CANCEL);
    }
  }

  /** The caller's signal was aborted. */
  handleEvent(): void {
    this.cancel(ConnectError.from(this.#options.signal?.reason, Code.Canceled));
  }

  #watch() {
    const { stream } = this;
    stream.on("response", (fields, flags) => this.#begin(fields, flags));
    stream.on("data", (chunk: Uint8Array) => this.#read(chunk));
    stream.on("trailers", (fields) => {
      this.#trailer = fields;
    });
    stream.on("end", () => this.#finish());
    stream.on("error", (error) => {
      noteFailure(stream, this.#options.session, error, this.#header !== undefined);
      this.#lose(error);
    });
    stream.on("close", () => this.#close());
  }

  #begin(fields: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader, flags: number) {
    if (this.#ended || this.#header !== undefined) {
      return;
    }
    this.#header = fields;
    this.#headerOnly = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    try {
      this.#listener.begun?.(isBegun(fields) ? undefined : readHeader(fields));
    } catch (error) {
      this.#refuse(error);
    }
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const chunk of early) {
      this.#read(chunk);
    }
  }

  #read(chunk: Uint8Array) {
    if (this.#ended) {
      return;
    }
    if (this.#header === undefined) {
      this.#early ??= [];
      this.#early.push(chunk);
      return;
    }
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** All of the response has come. */
  #finish() {
    if (this.#ended) {
      return;
    }
    const whole = this.#trailer !== undefined || this.#headerOnly;
    if (!whole && this.stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
      // Node takes a reset with CANCEL for an ordinary end.
      this.#lose(resetOf(this.stream, this.#header !== undefined));
      return;
    }
    try {
      if (this.#reader.incomplete) {
        throw new ConnectError("protocol error: incomplete envelope", Code.Internal);
      }
      readTrailer(this.header, this.trailer);
      this.#end(undefined, false);
    } catch (error) {
      this.#end(ConnectError.from(error, Code.Internal), false);
    }
    if (!this.stream.writableEnded) {
      // The server wants no more.
      this.#abandon(constants.NGHTTP2_NO_ERROR);
    }
  }

  #close() {
    if (this.#ended) {
      return;
    }
    // After trailers there is nothing to come that a reset could take away, unless it was not read yet.
    if (this.#trailer !== undefined && this.stream.readableLength === 0) {
      this.#finish();
    } else {
      // For Node, NO_ERROR and CANCEL are no errors.
      this.#lose(resetOf(this.stream, this.#header !== undefined));
    }
  }

  /** The response is none that can be read. */
  #refuse(error: unknown) {
    if (!this.#ended) {
      this.#end(ConnectError.from(error, Code.Internal), false);
      this.#abandon(this.#headerOnly ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    }
  }

  #lose(error: unknown) {
    this.#end(ConnectError.from(explainLoss(this.#options.address, error), Code.Internal), false);
  }

  #end(error: ConnectError | undefined, own: boolean) {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    const { calls, signal } = this.#options;
    calls.delete(this);
    signal?.removeEventListener("abort", this);
    clearTimeout(this.#timer);
    if (error !== undefined && !own) {
      markWireError(error);
    }
    this.#listener.ended(error, own);
  }

  #abandon(code: number) {
    this.stream.close(code);
    // Node keeps a stream until all that came is read.
    this.stream.resume();
  }
}
