import * as http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { callError } from "../../ttrpc/client/errors.ts";

const { constants } = http2;

/** What a call ends with when its stream is reset: gRPC's table, for every protocol. What is not in it is `internal`. */
const codes: Readonly<Record<number, Code>> = {
  [constants.NGHTTP2_REFUSED_STREAM]: Code.Unavailable,
  [constants.NGHTTP2_CANCEL]: Code.Canceled,
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: Code.ResourceExhausted,
  [constants.NGHTTP2_INADEQUATE_SECURITY]: Code.PermissionDenied,
};

interface Reset {
  readonly rstCode: number;
  /** Headers had come before. */
  readonly answered: boolean;
}

/** What Node says of a reset has its code only in its text. */
const resets = new WeakMap<Error, Reset>();

/** What a stream fails with of which Node has sent nothing, as its connection was about to end. */
const unsent: readonly unknown[] = ["ERR_HTTP2_GOAWAY_SESSION", "ERR_HTTP2_INVALID_SESSION"];

/** The last stream that a server says it has processed, or will yet, of those who have said so. */
const lastProcessed = new WeakMap<http2.Http2Session, number>();

/** Lets `watchResets` know which streams a server leaves out by GOAWAY. */
export function watchGoaway(session: http2.ClientHttp2Session): void {
  session.on("goaway", (_code: number, lastStreamId: number) => {
    lastProcessed.set(session, lastStreamId);
  });
}

/** Lets `resetIn` know why a stream has failed, and a call fail whose stream ends before anything was answered. */
export function watchResets(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream): ResetWatch {
  let answered = false;
  let trailers = false;
  const reset = () => {
    const error = new Error("the stream was reset before its end");
    resets.set(error, { rstCode: stream.rstCode, answered });
    return error;
  };
  stream.once("response", () => {
    answered = true;
  });
  stream.once("trailers", () => {
    trailers = true;
  });
  stream.on("error", (error: NodeJS.ErrnoException) => {
    const { id, rstCode } = stream;
    if (unsent.includes(error.code) || (id !== undefined && id > (lastProcessed.get(session) ?? id))) {
      resets.set(error, { rstCode: constants.NGHTTP2_REFUSED_STREAM, answered });
    } else if (error.code === "ERR_HTTP2_STREAM_ERROR") {
      resets.set(error, { rstCode, answered });
    }
  });
  stream.once("close", () => {
    // For Node, NO_ERROR and CANCEL are no errors; who waits for headers would wait for ever.
    if (!answered && !stream.errored) {
      stream.emit("error", reset());
    }
  });
  // After trailers there is nothing to come that a reset could take away.
  return { resetAtEnd: () => (stream.rstCode === constants.NGHTTP2_NO_ERROR || trailers ? undefined : reset()) };
}

/** What is known of a stream's end. */
export interface ResetWatch {
  /** What reading a stream fails with whose end is none: Node takes a reset with CANCEL for one. */
  resetAtEnd(): Error | undefined;
}

/** The error for a reset that is in a chain of causes. */
export function resetIn(error: unknown, address: { readonly text: string }): ConnectError | undefined {
  if (!(error instanceof Error)) {
    return undefined;
  }
  const reset = resets.get(error);
  if (reset === undefined) {
    return resetIn(error.cause, address);
  }
  // By HTTP/2 this says that nothing was processed; also what GOAWAY leaves out ends so.
  return reset.rstCode === constants.NGHTTP2_REFUSED_STREAM && !reset.answered
    ? callError("PB-CALL-REFUSED", `${address.text} accepts no more calls on this connection`, {
        cause: error,
      })
    : resetError(reset.rstCode);
}

function resetError(rstCode: number): ConnectError {
  return new ConnectError(`the server has reset the stream (HTTP/2 code ${rstCode})`, codes[rstCode] ?? Code.Internal);
}
