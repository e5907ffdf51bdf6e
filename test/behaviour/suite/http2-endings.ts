import { constants } from "node:http2";
import { Code } from "@connectrpc/connect";
import type { RawRequest } from "../../support/raw-http2-server.ts";

/** A server's bytes for a response in one of the protocols. */
export interface Http2Response {
  headers(request: RawRequest): void;
  /** A message of a stream. */
  message(request: RawRequest): void;
}

/** An end that a server of HTTP/2 puts to a call, and what its caller is told. */
export interface Http2Ending {
  /** The fault, as part of a sentence. */
  readonly fault: string;
  readonly code: Code;
  /** It is one of the others at another moment, and so not told by itself in docs/reference/faults.md. */
  readonly again?: true;
  /** It happens when the response has begun, which only that of a stream has. */
  readonly late?: true;
  /** The server's treatment of each request. */
  respond(request: RawRequest, say: Http2Response): void;
}

const resets = [
  ["NO_ERROR", Code.Internal],
  ["PROTOCOL_ERROR", Code.Internal],
  ["INTERNAL_ERROR", Code.Internal],
  ["FLOW_CONTROL_ERROR", Code.Internal],
  ["SETTINGS_TIMEOUT", Code.Internal],
  ["STREAM_CLOSED", Code.Internal],
  ["FRAME_SIZE_ERROR", Code.Internal],
  ["REFUSED_STREAM", Code.Unavailable],
  ["CANCEL", Code.Canceled],
  ["COMPRESSION_ERROR", Code.Internal],
  ["CONNECT_ERROR", Code.Internal],
  ["ENHANCE_YOUR_CALM", Code.ResourceExhausted],
  ["INADEQUATE_SECURITY", Code.PermissionDenied],
  ["HTTP_1_1_REQUIRED", Code.Internal],
] as const;

/** Ends the connection once it has said what is the last call that it has seen. */
function goAway(request: RawRequest, lastStreamId: number, code: number) {
  request.goaway(lastStreamId, code);
  request.end();
}

const goAways = [
  ["", undefined, constants.NGHTTP2_NO_ERROR],
  [" for an error", true, constants.NGHTTP2_INTERNAL_ERROR],
] as const;

/** All of them. */
export const http2Endings: readonly Http2Ending[] = [
  ...resets.flatMap(([name, code]): Http2Ending[] => [
    {
      fault: `a server of HTTP/2 resets the call's stream with ${name}${name === "REFUSED_STREAM" ? ", twice" : ""}`,
      code,
      respond: (request) => request.reset(constants[`NGHTTP2_${name}`]),
    },
    {
      fault: `a server of HTTP/2 resets the call's stream with ${name} after a first message`,
      code,
      again: true,
      late: true,
      respond(request, say) {
        say.headers(request);
        say.message(request);
        request.reset(constants[`NGHTTP2_${name}`]);
      },
    },
  ]),
  ...goAways.flatMap(([why, again, code]): Http2Ending[] => [
    {
      fault: `a server of HTTP/2 says${why} by GOAWAY that it has not seen the call, twice`,
      code: Code.Unavailable,
      ...(again && { again }),
      respond: (request) => goAway(request, 0, code),
    },
    {
      fault: `a server of HTTP/2 says GOAWAY${why}, and ends the connection before the response`,
      code: Code.Unavailable,
      ...(again && { again }),
      respond: (request) => goAway(request, request.streamId, code),
    },
    {
      fault: `a server of HTTP/2 says GOAWAY${why}, and ends the connection after the headers`,
      code: Code.Unavailable,
      again: true,
      late: true,
      respond(request, say) {
        say.headers(request);
        goAway(request, request.streamId, code);
      },
    },
    {
      fault: `a server of HTTP/2 says GOAWAY${why}, and ends the connection in the middle of the response`,
      code: Code.Unavailable,
      ...(again && { again }),
      late: true,
      respond(request, say) {
        say.headers(request);
        say.message(request);
        goAway(request, request.streamId, code);
      },
    },
  ]),
];
