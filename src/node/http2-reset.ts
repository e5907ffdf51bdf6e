import * as http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { PlugboardError } from "../plugin/errors.ts";

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

/** Lets `resetIn` know why a stream has failed, and a call fail whose stream ends before anything was answered. */
export function watchResets(stream: http2.ClientHttp2Stream): void {
  let answered = false;
  stream.once("response", () => {
    answered = true;
  });
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ERR_HTTP2_STREAM_ERROR") {
      resets.set(error, { rstCode: stream.rstCode, answered });
    }
  });
  stream.once("close", () => {
    // For Node, NO_ERROR and CANCEL are no errors; who waits for headers would wait for ever.
    if (!answered && !stream.errored) {
      const error = new Error("the stream was closed before anything was answered");
      resets.set(error, { rstCode: stream.rstCode, answered });
      stream.emit("error", error);
    }
  });
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
    ? new PlugboardError("PB-CALL-REFUSED", `${address.text} takes no calls on this connection any more`, {
        cause: error,
      })
    : resetError(reset.rstCode);
}

function resetError(rstCode: number): ConnectError {
  return new ConnectError(`the server has reset the stream (HTTP/2 code ${rstCode})`, codes[rstCode] ?? Code.Internal);
}
