import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { concat } from "../base/chunks.ts";

/** gzip by the streams of the web's platform (https://compression.spec.whatwg.org), for where Node's is not to be had. */
export const gzip: Compression = {
  name: "gzip",
  compress: (bytes) => through(new CompressionStream("gzip"), bytes, Number.POSITIVE_INFINITY),
  async decompress(bytes, readMaxBytes) {
    // What is empty is not compressed, whatever the flags say.
    if (bytes.byteLength === 0) {
      return new Uint8Array();
    }
    try {
      return await through(new DecompressionStream("gzip"), bytes, readMaxBytes);
    } catch (error) {
      throw error instanceof ConnectError
        ? error
        : new ConnectError("decompression failed", Code.InvalidArgument, undefined, undefined, error);
    }
  },
};

/**
 * Sends bytes through a stream. Of what comes out no more is held than is allowed: a few bytes can become millions.
 * @throws ConnectError resource_exhausted if there is more.
 */
async function through(
  { readable, writable }: { readonly readable: ReadableStream; readonly writable: WritableStream },
  bytes: Uint8Array,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = writable.getWriter();
  // The reader is told of what goes wrong there.
  Promise.all([writer.write(bytes), writer.close()]).catch(() => undefined);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of readable as ReadableStream<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > maxBytes) {
      throw new ConnectError(`message is larger than ${maxBytes} bytes after decompression`, Code.ResourceExhausted);
    }
  }
  return concat(chunks);
}
