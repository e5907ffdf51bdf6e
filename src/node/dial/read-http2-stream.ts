import type * as http2 from "node:http2";
import { createWakeUp } from "../../base/async/wake-up.ts";
import type { ResetWatch } from "../http2/reset.ts";

/**
 * Reads the incoming data of an HTTP/2 stream, to its end.
 *
 * Node's own iteration takes a stream for broken off if it was closed before reading began. Where HTTP/2 runs on a
 * stream of Node's instead of a socket, that is so for each short response: all of its events wait until all of its
 * bytes are taken apart. And it takes a reset with CANCEL for an end.
 *
 * Apart from http2-connection.ts, as it replaces something of Node's and goes when Node's own will do.
 */
export async function* readHttp2Stream(
  stream: http2.ClientHttp2Stream,
  { resetAtEnd }: ResetWatch,
): AsyncGenerator<Buffer, undefined> {
  const { wake, woken } = createWakeUp();
  const events = ["readable", "end", "error", "close"] as const;
  for (const event of events) {
    stream.on(event, wake);
  }
  try {
    for (;;) {
      const chunk: Buffer | null = stream.read();
      if (chunk !== null) {
        yield chunk;
      } else if (stream.errored !== null) {
        throw stream.errored;
      } else if (stream.readableEnded) {
        const reset = resetAtEnd();
        if (reset !== undefined) {
          throw reset;
        }
        return;
      } else if (stream.destroyed) {
        throw Object.assign(new Error("the stream was closed before its end"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
      } else {
        await woken();
      }
    }
  } finally {
    for (const event of events) {
      stream.off(event, wake);
    }
  }
}
