import { Duplex } from "node:stream";
import { frameFlag, initialWindow } from "./frame.ts";

/** The session of a stream, as far as the stream needs it. */
export interface StreamLink {
  /** True while the carrier takes no more; the stream then waits for `flush` to be called. */
  congested(stream: YamuxStream): boolean;
  /** Sends data, at most `maxDataBytes`. The data must not be written to any more. */
  sendData(streamId: number, chunks: readonly Buffer[]): void;
  sendWindowUpdate(streamId: number, flags: number, delta: number): void;
  /** The stream is over for this side: nothing that comes for it is of interest any more. */
  forget(stream: YamuxStream): void;
}

/** Longest data frame that is sent, in bytes: so that the streams of a session take turns. */
const maxDataBytes = 64 * 1024;

/** Credit is given back once so much was read: half a window, as HashiCorp's own does. */
const creditBytes = initialWindow / 2;

/**
 * One stream of a yamux session. It ends each direction by itself: `end()` tells the other side that no more comes,
 * `destroy()` with an error, or with data that has not left, breaks the stream off.
 */
export class YamuxStream extends Duplex {
  readonly id: number;
  readonly #link: StreamLink;
  /** Bytes that the other side takes. */
  #sendWindow = initialWindow;
  /** Bytes that the other side may send. */
  #receiveWindow = initialWindow;
  /** Bytes that have come in and were not given back as credit yet. */
  #uncredited = 0;
  #remoteEnded = false;
  #finSent = false;
  #reset = false;
  /** Data that waits for the send window. */
  #pending: Buffer[] = [];
  #onSent: (() => void) | undefined;

  constructor(id: number, link: StreamLink) {
    // Well below the window, as what lies in here gives no credit.
    super({ readableHighWaterMark: initialWindow / 4, writableHighWaterMark: maxDataBytes });
    this.id = id;
    this.#link = link;
    // A connection that breaks without a listener must not become an uncaught exception.
    this.on("error", () => undefined);
  }

  /** More may be sent. Returns false if that is more than the protocol can count. */
  addSendWindow(delta: number): boolean {
    if (this.#sendWindow + delta > 0xffff_ffff) {
      return false;
    }
    this.#sendWindow += delta;
    this.flush();
    return true;
  }

  /** Data of this length is about to come in. Returns false if that is not allowed. */
  expectData(length: number): boolean {
    if (this.#remoteEnded || length > this.#receiveWindow) {
      return false;
    }
    this.#receiveWindow -= length;
    return true;
  }

  receive(bytes: Buffer): void {
    this.#uncredited += bytes.byteLength;
    this.push(bytes);
  }

  /** The other side sends no more. Returns false if it has said so before. */
  receiveEnd(): boolean {
    if (this.#remoteEnded) {
      return false;
    }
    this.#remoteEnded = true;
    this.push(null);
    return true;
  }

  /** The stream, or its whole session, is broken: nothing more is sent. */
  breakOff(error: Error): void {
    this.#reset = true;
    this.destroy(error);
  }

  /** Sends what waits, as far as the window and the carrier allow. */
  flush(): void {
    while (this.#pending.length > 0 && !this.destroyed) {
      if (this.#sendWindow === 0 || this.#link.congested(this)) {
        return;
      }
      const chunks = takeBytes(this.#pending, Math.min(this.#sendWindow, maxDataBytes));
      for (const { byteLength } of chunks) {
        this.#sendWindow -= byteLength;
      }
      this.#link.sendData(this.id, chunks);
    }
    const onSent = this.#onSent;
    this.#onSent = undefined;
    onSent?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#send([chunk], callback);
  }

  override _writev(written: { chunk: Buffer }[], callback: () => void): void {
    this.#send(
      written.map(({ chunk }) => chunk),
      callback,
    );
  }

  #send(chunks: Buffer[], callback: () => void) {
    this.#pending = chunks.filter(({ byteLength }) => byteLength > 0);
    this.#onSent = callback;
    this.flush();
  }

  override _final(callback: () => void): void {
    this.#sendFin();
    callback();
  }

  #sendFin() {
    this.#finSent = true;
    this.#link.sendWindowUpdate(this.id, frameFlag.fin, 0);
  }

  /** Node asks for more before it takes out what it has, and then not again until some comes. */
  override _read(): void {}

  /** So it is here that credit is given, once data was taken out: a reader that takes all at once gets more, too. */
  override read(size?: number): Buffer | null {
    const taken: Buffer | null = super.read(size);
    const read = this.#uncredited - this.readableLength;
    if (read >= creditBytes && !this.#remoteEnded && !this.destroyed) {
      this.#uncredited -= read;
      this.#receiveWindow += read;
      this.#link.sendWindowUpdate(this.id, frameFlag.none, read);
    }
    return taken;
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const over = this.#reset || (this.#finSent && this.#remoteEnded);
    if (!over) {
      if (error !== null || this.#pending.length > 0 || this.writableLength > 0) {
        this.#link.sendWindowUpdate(this.id, frameFlag.rst, 0);
      } else if (!this.#finSent) {
        this.#sendFin();
      }
    }
    this.#pending = [];
    this.#onSent = undefined;
    this.#link.forget(this);
    callback(error);
  }
}

/** Takes at most so many bytes from the front of a list of chunks. */
function takeBytes(chunks: Buffer[], most: number): Buffer[] {
  const taken: Buffer[] = [];
  let left = most;
  for (let chunk = chunks[0]; chunk !== undefined && left > 0; chunk = chunks[0]) {
    if (chunk.byteLength > left) {
      taken.push(chunk.subarray(0, left));
      chunks[0] = chunk.subarray(left);
      break;
    }
    taken.push(chunk);
    chunks.shift();
    left -= chunk.byteLength;
  }
  return taken;
}
