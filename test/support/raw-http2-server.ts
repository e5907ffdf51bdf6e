import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A request's headers as they came, not decoded, or a piece of its body. */
export interface RawRequest {
  readonly streamId: number;
  /** Position among all requests that the server has had, over all of its connections. */
  readonly index: number;
  /** Sends any frame. */
  send(type: number, flags: number, payload?: Uint8Array, streamId?: number): void;
  /** Sends headers of a response. */
  respond(fields: Readonly<Record<string, string>>, options?: { readonly endStream: boolean }): void;
  reset(code: number): void;
  /** Says that what has a higher id was not processed. */
  goaway(lastStreamId: number, code?: number): void;
  end(): void;
}

/** A server that sends frames of HTTP/2 as a test has them, also such as Node's own would never send. */
export interface RawHttp2Server extends AsyncDisposable {
  /** unix:… */
  readonly address: string;
  readonly connections: number;
}

const frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Starts one; `handle` is called when a request's headers are there. */
export async function startRawHttp2Server(handle: (request: RawRequest) => void): Promise<RawHttp2Server> {
  const directory = await mkdtemp(join(tmpdir(), "raw-http2-"));
  const path = join(directory, "s");
  const sockets = new Set<net.Socket>();
  let connections = 0;
  let requests = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    const send = (type: number, flags: number, streamId: number, payload: Uint8Array = new Uint8Array(0)) => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(payload.byteLength, 0, 3);
      head[3] = type;
      head[4] = flags;
      head.writeUInt32BE(streamId, 5);
      socket.write(Buffer.concat([head, payload]));
    };
    const requestOn = (streamId: number): RawRequest => ({
      streamId,
      index: requests++,
      send: (type, flags, payload, on = streamId) => send(type, flags, on, payload),
      respond: (fields, { endStream } = { endStream: false }) =>
        send(frame.headers, endStream ? 5 : 4, streamId, encodeFields(fields)),
      reset: (code) => send(frame.reset, 0, streamId, uint32(code)),
      goaway: (last, code = 0) => send(frame.goaway, 0, 0, Buffer.concat([uint32(last), uint32(code)])),
      end: () => socket.end(),
    });
    send(frame.settings, 0, 0);
    let rest = Buffer.alloc(0);
    let greeted = false;
    socket.on("data", (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      if (!greeted && rest.length >= preface.length) {
        greeted = true;
        rest = rest.subarray(preface.length);
      }
      while (greeted && rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const length = rest.readUIntBE(0, 3);
        const [type, flags, streamId] = [rest[3], rest[4] ?? 0, rest.readUInt32BE(5)];
        const payload = rest.subarray(9, 9 + length);
        rest = rest.subarray(9 + length);
        if (type === frame.settings && (flags & 1) === 0) {
          send(frame.settings, 1, 0);
        } else if (type === frame.ping && (flags & 1) === 0) {
          send(frame.ping, 1, 0, payload);
        } else if (type === frame.headers) {
          handle(requestOn(streamId));
        }
      }
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    address: `unix:${path}`,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) {
        socket.destroy();
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Each as a literal without a place in the table: https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2 */
function encodeFields(fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [
      Buffer.of(0, name.length),
      Buffer.from(name),
      Buffer.of(value.length),
      Buffer.from(value),
    ]),
  );
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
