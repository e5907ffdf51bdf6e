import { createWakeUp } from "../base/async/wake-up.ts";
import { outliveReader } from "../node/own-streams.ts";

/** A piece of a plugin process's output. */
interface OutputPiece {
  readonly channel: "stdout" | "stderr";
  readonly data: Uint8Array;
}

/** The output of a plugin process, taken from its streams until it is read. */
export interface OutputCapture {
  /** Begins to take it. */
  take(): void;
  /** Writes to the real stderr. */
  writeToStderr(text: string): void;
  /** All that is printed from now on, and what waits; for one reader at a time. Ends after `end`. */
  read(signal: AbortSignal): AsyncIterable<OutputPiece>;
  /** No more will come; waiting output can still be read. Settles when it was, or if there is no reader. */
  end(): Promise<void>;
}

/** Longest piece, in bytes: that of go-plugin. */
const maxPieceBytes = 1024;

/** Most bytes that wait without a reader; beyond that the oldest is dropped. */
const maxUnreadBytes = 256 * 1024;

/** Most bytes that wait for a reader that is slow; beyond that the oldest is dropped, too. */
const maxWaitingBytes = 16 * 1024 * 1024;

/** From how much on who prints is asked to wait, as a pipe would. */
const highWaterBytes = 64 * 1024;

/**
 * Takes what the process prints by `process.stdout` and `process.stderr`, and so by `console.log`: it is meant for the
 * host, and the real stdout has nothing more to say after the handshake.
 */
export function createOutputCapture(): OutputCapture {
  const pieces: OutputPiece[] = [];
  let waitingBytes = 0;
  let ended = false;
  const readers = new Set<() => void>();
  const emptied = new Set<() => void>();
  const full = new Set<NodeJS.WriteStream>();
  const writeToStderr = process.stderr.write.bind(process.stderr);

  function takeFrom(stream: NodeJS.WriteStream, channel: OutputPiece["channel"]) {
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
      const encoding = typeof rest[0] === "string" ? (rest[0] as BufferEncoding) : "utf8";
      add(channel, typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk));
      const done = rest.findLast((each) => typeof each === "function");
      if (done !== undefined) {
        process.nextTick(done as () => void);
      }
      if (waitingBytes >= highWaterBytes && readers.size > 0) {
        full.add(stream);
      }
      return !full.has(stream);
    };
  }

  function add(channel: OutputPiece["channel"], bytes: Buffer) {
    for (let at = 0; at < bytes.byteLength; at += maxPieceBytes) {
      const data = bytes.subarray(at, at + maxPieceBytes);
      pieces.push({ channel, data });
      waitingBytes += data.byteLength;
    }
    const limit = readers.size > 0 ? maxWaitingBytes : maxUnreadBytes;
    let dropped = 0;
    while (waitingBytes > limit) {
      waitingBytes -= pieces[dropped]?.data.byteLength ?? 0;
      dropped += 1;
    }
    pieces.splice(0, dropped);
    wake(readers);
  }

  /** The next piece; `undefined` if there is none now. */
  function next(): OutputPiece | undefined {
    const piece = pieces.shift();
    waitingBytes -= piece?.data.byteLength ?? 0;
    if (waitingBytes < highWaterBytes) {
      drain();
    }
    return piece;
  }

  /** Writers that were asked to wait may go on. */
  function drain() {
    for (const stream of full) {
      full.delete(stream);
      stream.emit("drain");
    }
  }

  return {
    take() {
      // A host that has gone must not end the plugin by what it logs.
      outliveReader(process.stderr);
      outliveReader(process.stdout);
      takeFrom(process.stdout, "stdout");
      takeFrom(process.stderr, "stderr");
    },
    writeToStderr(text) {
      writeToStderr(text);
    },
    async *read(signal) {
      const { wake: onNews, woken } = createWakeUp();
      signal.addEventListener("abort", onNews);
      readers.add(onNews);
      try {
        while (!signal.aborted) {
          const piece = next();
          if (piece !== undefined) {
            yield piece;
          } else if (ended) {
            return;
          } else {
            await woken();
          }
        }
      } finally {
        readers.delete(onNews);
        signal.removeEventListener("abort", onNews);
        if (readers.size === 0) {
          // Hosts do not ask a second time, and what is too much is dropped from now on.
          drain();
          wake(emptied);
        }
      }
    },
    async end() {
      ended = true;
      wake(readers);
      if (readers.size > 0) {
        await new Promise<void>((resolve) => emptied.add(resolve));
      }
    },
  };
}

function wake(waiting: ReadonlySet<() => void>) {
  for (const each of waiting) {
    each();
  }
}
