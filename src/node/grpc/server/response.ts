import * as http2 from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { setDeadlineTimer } from "../../../base/async/within.ts";
import type { CallContext } from "../../../call/call-context.ts";
import type { CallPolicy } from "../../../call/call-policy.ts";
import { dropUnsendable } from "../../../call/messages/metadata.ts";
import { fitTrailers } from "../../../http/fit-trailers.ts";
import { fitResponseHeaders } from "../../../http/response-headers.ts";
import { responseCompression } from "../../../http/wire/compression.ts";
import { compressedFlag, encodeEnvelope } from "../../../http/wire/envelope.ts";
import { setGrpcStatus } from "../../../http/wire/grpc-status.ts";
import { maxFieldBytes } from "../../http2/max-field-bytes.ts";

const { constants } = http2;

/** Messages from so many bytes on are compressed, if the caller takes it: as Connect has it. */
const compressMinBytes = 1024;

const ok: http2.OutgoingHttpHeaders = { "grpc-status": "0" };
const failed: http2.OutgoingHttpHeaders = { "grpc-status": "13", "grpc-message": "internal error" };

/** What a response is made of. */
export interface GrpcResponseParts {
  readonly stream: http2.ServerHttp2Stream;
  /** The request's header. */
  readonly fields: http2.IncomingHttpHeaders;
  /** The header fields of every response. */
  readonly head: http2.OutgoingHttpHeaders;
  readonly compressions: readonly Compression[];
  readonly context: CallContext;
  readonly policy: CallPolicy;
}

/** The response to one call. What is sent to a caller that has gone is dropped. */
export class GrpcResponse {
  /** Bytes of its messages. */
  bytes = 0;
  readonly #parts: GrpcResponseParts;
  readonly #compression: Compression | undefined;
  #begun = false;
  #ended = false;

  constructor(parts: GrpcResponseParts) {
    this.#parts = parts;
    const accepted = parts.fields["grpc-accept-encoding"];
    this.#compression =
      typeof accepted === "string" ? responseCompression(parts.compressions, accepted, null) : undefined;
  }

  get #gone(): boolean {
    const { stream } = this.#parts;
    return this.#ended || stream.destroyed || stream.closed;
  }

  /** Sends a message, after what the handler has set as headers. Settles when there is room for more. */
  message(bytes: Uint8Array): Promise<void> | undefined {
    return this.#compression === undefined || bytes.byteLength < compressMinBytes
      ? this.#send(encodeEnvelope(0, bytes))
      : this.#sendCompressed(this.#compression, bytes);
  }

  async #sendCompressed(compression: Compression, bytes: Uint8Array): Promise<void> {
    await this.#send(encodeEnvelope(compressedFlag, await compression.compress(new Uint8Array(bytes))));
  }

  #send(enveloped: Uint8Array): Promise<void> | undefined {
    this.#begin();
    if (this.#gone) {
      return undefined;
    }
    this.bytes += enveloped.byteLength;
    return this.#parts.stream.write(enveloped) ? undefined : this.#drained();
  }

  /** Ends the response with the call's status. */
  end(error: ConnectError | undefined): void {
    this.#begin();
    if (this.#gone) {
      return;
    }
    this.#ended = true;
    const { stream } = this.#parts;
    const trailer = this.#trailer(error);
    stream.once("wantTrailers", () => {
      // They leave in the next turn, and before that the stream must not be closed.
      stream.sendTrailers(trailer);
      setImmediate(closeIfOpen, stream);
    });
    stream.end();
    const stalled = this.#expectTaken();
    if (stalled !== undefined) {
      stream.once("close", () => clearTimeout(stalled));
    }
  }

  #begin() {
    if (this.#begun || this.#gone) {
      return;
    }
    this.#begun = true;
    const { stream } = this.#parts;
    try {
      stream.respond(this.#header(), { waitForTrailers: true });
    } catch {
      // What the plugin has put into headers can't be sent.
      this.#ended = true;
      stream.respond({ ...this.#parts.head, ...failed }, { endStream: true });
    }
  }

  #header(): http2.OutgoingHttpHeaders {
    const { stream, head, context, policy } = this.#parts;
    const { log } = policy;
    const encoding = this.#compression && { "grpc-encoding": this.#compression.name };
    const set = context.responseHeaderIfAny;
    if (set === undefined) {
      return { ...head, ...encoding };
    }
    dropUnsendable(set, "response's header", log);
    const own = new Headers(set);
    // Among them the protocol's own are known by it.
    own.set("Content-Type", String(head["content-type"]));
    const personal = policy.admit !== undefined;
    fitResponseHeaders(own, { method: "POST", status: 200, personal, maxBytes: maxFieldBytes(stream.session), log });
    const cookies = own.getSetCookie();
    return { ...head, ...Object.fromEntries(own), ...(cookies.length > 0 && { "set-cookie": cookies }), ...encoding };
  }

  #trailer(error: ConnectError | undefined): http2.OutgoingHttpHeaders {
    const { stream, context, policy } = this.#parts;
    const set = context.responseTrailerIfAny;
    if (set === undefined && error === undefined) {
      return ok;
    }
    dropUnsendable(set, "response's trailer", policy.log);
    const trailer = new Headers(set);
    error?.metadata.forEach((value, name) => {
      trailer.append(name, value);
    });
    setGrpcStatus(trailer, error);
    fitTrailers(trailer, maxFieldBytes(stream.session), policy.log);
    return Object.fromEntries(trailer);
  }

  /** Settles when the caller has taken something, or has gone. */
  #drained(): Promise<void> {
    const { stream } = this.#parts;
    const stalled = this.#expectTaken();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(stalled);
        stream.off("drain", done).off("close", done);
        resolve();
      };
      stream.on("drain", done).on("close", done);
    });
  }

  /** Breaks the response off, not as if it were complete, if nothing is taken of it for too long. */
  #expectTaken(): ReturnType<typeof setTimeout> | undefined {
    const { stream, policy } = this.#parts;
    const { idleTimeoutMs } = policy.limits;
    return idleTimeoutMs === undefined
      ? undefined
      : setDeadlineTimer(() => stream.close(constants.NGHTTP2_CANCEL), idleTimeoutMs);
  }
}

/**
 * Closes a stream whose response is complete, whether or not the caller has more to send, as RFC 9113, section 8.1 has it. Node
 * waits for the caller to end its request, so one that does not would keep the stream, and a drain, from ending.
 */
function closeIfOpen(stream: http2.ServerHttp2Stream) {
  if (stream.readableEnded || stream.destroyed || stream.state.remoteClose === 1) {
    return;
  }
  stream.close(constants.NGHTTP2_NO_ERROR);
  // Node keeps a stream until all that came is read.
  stream.resume();
}
