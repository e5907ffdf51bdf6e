import type { CarrierConnection } from "../carrier.ts";

/**
 * The part of a Node stream that is used here: a socket's. Where a write has succeeded, the system or TLS has the bytes, and
 * their memory is not read any more; other streams hand their reader the memory itself.
 */
export interface ByteStream {
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "close" | "drain" | "end", listener: () => void): unknown;
  write(bytes: Uint8Array, written?: (error?: Error | null) => void): boolean;
  cork(): unknown;
  uncork(): unknown;
  end(): unknown;
  destroy(error?: Error): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** Milliseconds that sent bytes may take to leave after the end: the other side may never read them. */
const lingerMs = 5_000;

/**
 * Carries ttrpc over a stream of bytes, such as a Unix socket or a TCP connection.
 * @param listen Tells how to hear what comes in. Default: by the stream's data events.
 * @param explain Says more of an error that has ended the stream. Default: as it is.
 */
export function socketCarrier(
  stream: ByteStream,
  listen = (receive: (chunk: Uint8Array) => void) => {
    stream.on("data", receive);
  },
  explain = (error: Error) => error,
): CarrierConnection {
  let corked = false;
  let lingering: ReturnType<typeof setTimeout> | undefined;
  const uncork = () => {
    corked = false;
    stream.uncork();
  };
  return {
    wholeFrames: false,
    start(receiver) {
      let failure: Error | undefined;
      // A Buffer behaves differently from the Uint8Array that it is, in slice() for one.
      listen(({ buffer, byteOffset, byteLength }) => {
        receiver.receive(new Uint8Array(buffer, byteOffset, byteLength));
      });
      stream.on("drain", () => receiver.drained());
      stream.on("error", (error) => {
        failure = explain(error);
      });
      // Half a connection is of no use to ttrpc.
      stream.on("end", () => stream.end());
      stream.on("close", () => {
        clearTimeout(lingering);
        receiver.ended(failure);
      });
    },
    send(bytes, given) {
      if (!corked) {
        // What is sent in one go leaves in one go.
        corked = true;
        stream.cork();
        queueMicrotask(uncork);
      }
      // Not if it has failed: the system may be reading yet.
      return given ? stream.write(bytes, (error) => error ?? release(bytes)) : stream.write(bytes);
    },
    close(error) {
      if (error === undefined) {
        stream.end();
        lingering = setTimeout(() => stream.destroy(), lingerMs);
      } else {
        stream.destroy();
      }
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
  };
}

/**
 * Gives memory back at once. Left to the garbage collector, each 16 MB of it would have the whole heap marked, and the next
 * message would get memory that no cache has.
 */
function release({ buffer }: Uint8Array) {
  if (buffer instanceof ArrayBuffer) {
    buffer.transfer(0);
  }
}
