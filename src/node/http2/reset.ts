import * as http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { callError } from "../../ttrpc/client/errors.ts";

const { constants } = http2;

/** The code of a call whose stream is reset: gRPC's table, for every protocol. Other resets are `internal`. */
const codes: Readonly<Record<number, Code>> = {
  [constants.NGHTTP2_REFUSED_STREAM]: Code.Unavailable,
  [constants.NGHTTP2_CANCEL]: Code.Canceled,
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: Code.ResourceExhausted,
  [constants.NGHTTP2_INADEQUATE_SECURITY]: Code.PermissionDenied,
};

interface Reset {
  readonly rstCode: number;
  /** Headers had come before. */
  readonly responded: boolean;
}

/** The resets of errors: Node has the code only in the error's text. */
const resets = new WeakMap<Error, Reset>();

/** The error codes of streams of which Node has sent nothing, as their connection was about to end. */
const unsent: readonly unknown[] = ["ERR_HTTP2_GOAWAY_SESSION", "ERR_HTTP2_INVALID_SESSION"];

/** The last stream that a server says it has processed, or will yet, of those who have said so. */
const lastProcessed = new WeakMap<http2.Http2Session, number>();

/** Lets `watchResets` know which streams a server leaves out by GOAWAY. */
export function watchGoaway(session: http2.ClientHttp2Session): void {
  session.on("goaway", (_code: number, lastStreamId: number) => {
    lastProcessed.set(session, lastStreamId);
  });
}

/** The error of a stream that was reset, or has ended before its response began, of which Node makes no error. */
export function resetOf({ rstCode }: http2.ClientHttp2Stream, responded: boolean): Error {
  const error = new Error("the stream was reset before its end");
  resets.set(error, { rstCode, responded });
  return error;
}

/** Lets `resetIn` know why a stream has failed. */
export function noteFailure(
  { id, rstCode }: http2.ClientHttp2Stream,
  session: http2.ClientHttp2Session,
  error: NodeJS.ErrnoException,
  responded: boolean,
): void {
  if (unsent.includes(error.code) || (id !== undefined && id > (lastProcessed.get(session) ?? id))) {
    resets.set(error, { rstCode: constants.NGHTTP2_REFUSED_STREAM, responded });
  } else if (error.code === "ERR_HTTP2_STREAM_ERROR") {
    resets.set(error, { rstCode, responded });
  }
}

/** Lets `resetIn` know why a stream has failed, and fails a call whose stream ends before its response began. */
export function watchResets(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream): ResetWatch {
  let responded = false;
  let trailers = false;
  stream.once("response", () => {
    responded = true;
  });
  stream.once("trailers", () => {
    trailers = true;
  });
  stream.on("error", (error) => noteFailure(stream, session, error, responded));
  stream.once("close", () => {
    // For Node, NO_ERROR and CANCEL are no errors; who waits for headers would wait for ever.
    if (!responded && !stream.errored) {
      stream.emit("error", resetOf(stream, responded));
    }
  });
  // After trailers there is nothing to come that a reset could take away.
  return {
    resetAtEnd: () =>
      stream.rstCode === constants.NGHTTP2_NO_ERROR || trailers ? undefined : resetOf(stream, responded),
  };
}

/** The end of a stream, as far as it is known. */
export interface ResetWatch {
  /** The error for a stream that was reset: Node takes a reset with CANCEL for an ordinary end. */
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
  return reset.rstCode === constants.NGHTTP2_REFUSED_STREAM && !reset.responded
    ? callError("PB-CALL-REFUSED", `${address.text} accepts no more calls on this connection`, {
        cause: error,
      })
    : resetError(reset.rstCode);
}

function resetError(rstCode: number): ConnectError {
  return new ConnectError(`the server has reset the stream (HTTP/2 code ${rstCode})`, codes[rstCode] ?? Code.Internal);
}
