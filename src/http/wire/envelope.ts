import { Code, ConnectError } from "@connectrpc/connect";
import { longerThanTaken } from "../../call/errors/longer-than-taken.ts";

/** Bytes of flags and length, see https://connectrpc.com/docs/protocol/#streaming-rpcs; gRPC has the same. */
const headerBytes = 5;

/** Its data is compressed. */
export const compressedFlag = 0x01;

/** Flags and data of one message of a stream. */
export interface Envelope {
  readonly flags: number;
  readonly data: Uint8Array;
}

/** Puts data into an envelope. */
export function encodeEnvelope(flags: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(headerBytes + data.byteLength);
  bytes[0] = flags;
  new DataView(bytes.buffer).setUint32(1, data.byteLength);
  bytes.set(data, headerBytes);
  return bytes;
}

/**
 * The envelopes of a body.
 * @param chunks Each begins with an envelope, and has whole ones, but for one that is too long and for the last chunk; see
 * `gatherChunks`.
 * @throws ConnectError resource_exhausted if one is longer than allowed, invalid_argument if the body ends within one
 */
export async function* decodeEnvelopes(
  chunks: AsyncIterable<Uint8Array>,
  maxMessageBytes: number,
): AsyncGenerator<Envelope> {
  for await (const chunk of chunks) {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let start = 0; start < chunk.byteLength; ) {
      const dataStart = start + headerBytes;
      if (dataStart > chunk.byteLength) {
        throw incomplete();
      }
      const length = view.getUint32(start + 1);
      if (length > maxMessageBytes) {
        throw longerThanTaken(length, maxMessageBytes);
      }
      if (dataStart + length > chunk.byteLength) {
        throw incomplete();
      }
      yield { flags: view.getUint8(start), data: chunk.subarray(dataStart, dataStart + length) };
      start = dataStart + length;
    }
  }
}

function incomplete(): ConnectError {
  return new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
}
