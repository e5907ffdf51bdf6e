import type { ConnectError } from "@connectrpc/connect";
import type { Format } from "./codec.ts";
import { endOfStream } from "./connect-error.ts";
import { encodeEnvelope } from "./envelope.ts";
import { setGrpcStatus, trailerBlock } from "./grpc-status.ts";
import type { ReadTimeout } from "./timeout.ts";
import { readConnectTimeout, readGrpcTimeout } from "./timeout.ts";

/** What the protocols whose messages travel in envelopes do differently. */
export interface EnvelopeProtocol {
  readonly name: "connect" | "grpc" | "grpc-web";
  readonly timeoutField: string;
  readonly readTimeout: ReadTimeout;
  /** The field with the compression of a stream's messages. */
  readonly encodingField: string;
  readonly acceptEncodingField: string;
  readonly contentType: Readonly<Record<Format, string>>;
  /** The flag of an envelope that is no message. */
  readonly endFlag: number;
  /**
   * Makes the last envelope of a response.
   * @param trailer The call's own. What the protocol has beside them is added.
   * @param error What the call has failed with, if it has.
   * @returns `undefined` if the trailers are all.
   */
  end(trailer: Headers, error: ConnectError | undefined): Uint8Array | undefined;
}

/** Streams of Connect, see https://connectrpc.com/docs/protocol/#streaming-rpcs. */
const connectStreams: EnvelopeProtocol = {
  name: "connect",
  timeoutField: "Connect-Timeout-Ms",
  readTimeout: readConnectTimeout,
  encodingField: "Connect-Content-Encoding",
  acceptEncodingField: "Connect-Accept-Encoding",
  contentType: { json: "application/connect+json", proto: "application/connect+proto" },
  endFlag: 0x02,
  end: (trailer, error) => encodeEnvelope(0x02, endOfStream(trailer, error)),
};

/** gRPC-Web, see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md. */
const grpcWeb: EnvelopeProtocol = {
  name: "grpc-web",
  timeoutField: "Grpc-Timeout",
  readTimeout: readGrpcTimeout,
  encodingField: "Grpc-Encoding",
  acceptEncodingField: "Grpc-Accept-Encoding",
  contentType: { json: "application/grpc-web+json", proto: "application/grpc-web+proto" },
  endFlag: 0x80,
  end(trailer, error) {
    setGrpcStatus(trailer, error);
    return encodeEnvelope(0x80, trailerBlock(trailer));
  },
};

/** gRPC, see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. */
const grpc: EnvelopeProtocol = {
  ...grpcWeb,
  name: "grpc",
  contentType: { json: "application/grpc+json", proto: "application/grpc+proto" },
  endFlag: 0,
  end(trailer, error) {
    setGrpcStatus(trailer, error);
    return undefined;
  },
};

/** The form of a request's body. */
export type RequestForm =
  /** One message as it is, of a unary call of Connect's. */
  | { readonly kind: "message"; readonly format: Format }
  | {
      readonly kind: "envelopes";
      readonly protocol: EnvelopeProtocol;
      readonly format: Format;
      /** It is in base64, as grpc-web-text. */
      readonly text: boolean;
    };

const unaryJson: RequestForm = { kind: "message", format: "json" };
const unaryProto: RequestForm = { kind: "message", format: "proto" };

const connectType = /^application\/(connect\+)?(?:(json)(?:; ?charset=utf-?8)?|proto)$/i;
const grpcType = /^application\/grpc(-web(-text)?)?(?:\+(?:(json)(?:; ?charset=utf-?8)?|proto))?$/i;

/** The form that a `Content-Type` stands for; `undefined` if it is none that is known here. */
export function formOf(contentType: string): RequestForm | undefined {
  // Most are.
  if (contentType === "application/json") {
    return unaryJson;
  }
  const connect = connectType.exec(contentType);
  if (connect !== null) {
    const format = connect[2] === undefined ? "proto" : "json";
    if (connect[1] === undefined) {
      return format === "json" ? unaryJson : unaryProto;
    }
    return { kind: "envelopes", protocol: connectStreams, format, text: false };
  }
  const ofGrpc = grpcType.exec(contentType);
  return ofGrpc === null
    ? undefined
    : {
        kind: "envelopes",
        protocol: ofGrpc[1] === undefined ? grpc : grpcWeb,
        format: ofGrpc[3] === undefined ? "proto" : "json",
        text: ofGrpc[2] !== undefined,
      };
}
