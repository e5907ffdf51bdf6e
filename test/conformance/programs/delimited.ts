import type { Readable, Writable } from "node:stream";

/** Reads the messages of the suite's runner: each comes behind its length in four bytes, big-endian. */
export async function* readDelimited(stream: Readable): AsyncGenerator<Uint8Array> {
  let buffered = Buffer.alloc(0);
  for await (const chunk of stream) {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 4) {
      const end = 4 + buffered.readUInt32BE();
      if (buffered.length < end) {
        break;
      }
      yield buffered.subarray(4, end);
      buffered = buffered.subarray(end);
    }
  }
}

/** Writes a message as the runner reads it. */
export function writeDelimited(stream: Writable, message: Uint8Array): void {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(message.byteLength);
  stream.write(Buffer.concat([head, message]));
}
