import { once } from "node:events";
import * as net from "node:net";
import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import { KeyValueSchema, RequestSchema } from "../../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { readResponse } from "../../../src/ttrpc/wire/envelope.ts";
import type { Frame } from "../../../src/ttrpc/wire/frame.ts";
import { createFrameDecoder, frameFlag, frameType } from "../../../src/ttrpc/wire/frame.ts";
import type { RawFrame } from "./raw-frames.ts";
import { encodeFrame } from "./raw-frames.ts";

/** The other end of a connection, which sends what it likes. */
export interface RawPeer {
  readonly socket: net.Socket;
  /** Sends frames, in one write. */
  send(...frames: RawFrame[]): void;
  /** The next frame that has come in; `undefined` once the connection has ended. */
  next(): Promise<Frame | undefined>;
  /** The next frame on a stream; those on others that come before it are dropped. */
  nextOn(streamId: number): Promise<Frame>;
}

/** Reads and writes frames on a socket. It reads from the beginning, unless the socket is paused. */
export function rawPeer(socket: net.Socket): RawPeer {
  const frames: Frame[] = [];
  let ended = false;
  let wake = () => {};
  const decoder = createFrameDecoder((frame) => frames.push(frame));
  socket.on("data", (chunk: Uint8Array) => {
    decoder.push(chunk);
    wake();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    ended = true;
    wake();
  });
  const peer: RawPeer = {
    socket,
    send(...sent) {
      socket.write(Buffer.concat(sent.map(encodeFrame)));
    },
    async next() {
      while (frames.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return frames.shift();
    },
    async nextOn(streamId) {
      for (;;) {
        const frame = await peer.next();
        if (frame === undefined) {
          throw new Error(`the connection ended before a frame on stream ${streamId}`);
        }
        if (frame.streamId === streamId) {
          return frame;
        }
      }
    },
  };
  return peer;
}

/** Connects to a Unix socket. */
export async function connectRaw(path: string): Promise<RawPeer & Disposable> {
  const socket = net.connect(path);
  await once(socket, "connect");
  return { ...rawPeer(socket), [Symbol.dispose]: () => socket.destroy() };
}

/** A request frame. */
export function requestFrame<M extends DescMethod>(
  streamId: number,
  method: M,
  message: MessageInitShape<M["input"]> | undefined,
  options: {
    flags?: number;
    extended?: boolean;
    chunked?: boolean;
    timeoutMs?: number;
    metadata?: Readonly<Record<string, string>>;
  } = {},
): RawFrame {
  const { flags = frameFlag.none, chunked = false, extended = chunked, timeoutMs = 0, metadata = {} } = options;
  const extensions = { ...(extended && { "plugboard-stream": "1" }), ...(chunked && { "plugboard-chunk": "1" }) };
  const request = create(RequestSchema, {
    service: method.parent.typeName,
    method: method.name,
    payload: message === undefined ? new Uint8Array(0) : encoded(method, message),
    timeoutNano: BigInt(timeoutMs) * 1_000_000n,
    metadata: Object.entries({ ...extensions, ...metadata }).map(([key, value]) =>
      create(KeyValueSchema, { key, value }),
    ),
  });
  return { streamId, type: frameType.request, flags, data: toBinary(RequestSchema, request) };
}

/** A Data frame with a request message. */
export function dataFrame<M extends DescMethod>(
  streamId: number,
  method: M,
  message: MessageInitShape<M["input"]>,
): RawFrame {
  return { streamId, type: frameType.data, data: encoded(method, message) };
}

/** A Data frame that says there are no more. */
export function endFrame(streamId: number): RawFrame {
  return { streamId, type: frameType.data, flags: frameFlag.remoteClosed | frameFlag.noData };
}

function encoded<M extends DescMethod>(method: M, message: MessageInitShape<M["input"]>): Uint8Array {
  return toBinary(method.input, create(method.input, message));
}

/** The content of a response frame; the code is 0 if all went well. */
export function responseOf({ type, data }: Frame): { code: Code | 0; message: string; payload: Uint8Array } {
  if (type !== frameType.response || data === undefined) {
    throw new Error(`a frame of type ${type} is no response`);
  }
  const { status, payload } = readResponse(data);
  return { code: status?.code ?? 0, message: status?.message ?? "", payload };
}
