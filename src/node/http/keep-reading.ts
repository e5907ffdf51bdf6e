import type { Duplex } from "node:stream";

/** The error codes of the system for a connection that the other side has closed. */
const closed: readonly unknown[] = ["EPIPE", "ECONNRESET"];

type Written = (error?: Error | null) => void;

/** The functions that Node calls to write to a socket, which its types leave out. */
interface Writing {
  _write(chunk: unknown, encoding: BufferEncoding, written: Written): void;
  _writev?(chunks: readonly unknown[], written: Written): void;
}

const patched = new WeakSet<Duplex>();

/**
 * Lets a socket read on when the other side turns out to be closed while something is being written. A server may have
 * responded before the end of the request and closed the connection: its response is there to be read, but Node would drop it
 * with the socket. Reading ends by itself where there is none.
 */
export function keepReading(socket: Duplex): void {
  if (patched.has(socket)) {
    return;
  }
  patched.add(socket);
  const writing = socket as unknown as Writing;
  const write = writing._write.bind(socket);
  const unlessClosed =
    (written: Written): Written =>
    (error) =>
      written(error && "code" in error && closed.includes(error.code) && socket.readable ? null : error);
  writing._write = (chunk, encoding, written) => write(chunk, encoding, unlessClosed(written));
  if (writing._writev) {
    const writev = writing._writev.bind(socket);
    writing._writev = (chunks, written) => writev(chunks, unlessClosed(written));
  }
}
