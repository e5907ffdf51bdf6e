/** A frame of the raw echo: length of the data, number of the call, what it is, then the data. */
export const headerBytes = 9;

/** The kinds of frames. */
export const frameKind = { echo: 0, produce: 1, message: 2 } as const;

/** A frame, its header separate from its data. */
export function frameHeader(length: number, id: number, kind: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(id, 4);
  bytes[8] = kind;
  return bytes;
}

/** Calls back for each frame in bytes that hold whole frames. */
export function forEachFrame(frames: Buffer, run: (id: number, kind: number, data: Buffer) => void): void {
  let at = 0;
  while (at < frames.length) {
    const end = at + headerBytes + frames.readUInt32BE(at);
    run(frames.readUInt32BE(at + 4), frames[at + 8] ?? 0, frames.subarray(at + headerBytes, end));
    at = end;
  }
}

/** Cuts what comes in into pieces of whole frames, with as little copying as possible. */
export function createAssembler(receive: (frames: Buffer) => void): (chunk: Buffer) => void {
  /** A header, or a frame, of which not all has come in. */
  let partial: Buffer | undefined;
  let filled = 0;

  /** Takes what belongs to the frame that was begun. Returns how much that is. */
  function complete(target: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(target, filled, at);
    filled += copied;
    if (filled === headerBytes && target.length === headerBytes && target.readUInt32BE(0) > 0) {
      partial = Buffer.allocUnsafeSlow(headerBytes + target.readUInt32BE(0));
      target.copy(partial);
    } else if (filled === target.length) {
      partial = undefined;
      receive(target);
    }
    return copied;
  }

  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (partial !== undefined) {
        at += complete(partial, chunk, at);
        continue;
      }
      const end = endOfWholeFrames(chunk, at);
      if (end > at) {
        receive(chunk.subarray(at, end));
        at = end;
      } else {
        partial = Buffer.allocUnsafe(headerBytes);
        filled = 0;
      }
    }
  };
}

function endOfWholeFrames(chunk: Buffer, start: number): number {
  let end = start;
  while (chunk.length - end >= headerBytes) {
    const next = end + headerBytes + chunk.readUInt32BE(end);
    if (next > chunk.length) {
      break;
    }
    end = next;
  }
  return end;
}
