import type { CarrierConnection } from "../carrier.ts";

/** Name of ttrpc as a subprotocol of WebSocket. */
export const webSocketProtocol = "plugboard.ttrpc.v1";

/** The part of an open WebSocket that is used here: of browsers, of Workers, of Node, or of the package ws. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount?: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Only those of the package ws can wait. */
  pause?(): void;
  resume?(): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code?: number; reason?: string }) => void): void;
  addEventListener(type: "error", listener: (event: object) => void): void;
}

/** The reasons of a server for closing a WebSocket: RFC 6455, section 7.4.1. */
const serverCloseCode = { normal: 1000, protocolError: 1002, unsupportedData: 1003 } as const;

/** The same by a client: the classes of browsers and of Node throw for all codes but 1000 and 3000 to 4999. */
const clientCloseCode = { normal: 1000, protocolError: 4002, unsupportedData: 4003 } as const;

/** A reason that each class takes: no more than 123 bytes of UTF-8. */
function closeReason(message: string): string {
  return message.slice(0, 100).replace(/[^ -~]/g, "?");
}

/** Bytes that may wait in a WebSocket before it takes no more. */
const highWaterBytes = 1024 * 1024;

/** Milliseconds between looks whether they have left; a WebSocket does not tell. */
const pollMs = 5;

/** Carries ttrpc over a WebSocket that is open: each binary message holds one or more whole frames. */
export function webSocketCarrier(socket: WebSocketLike, side: "client" | "server"): CarrierConnection {
  const closeCode = side === "client" ? clientCloseCode : serverCloseCode;
  let open = true;
  let violation: number = closeCode.protocolError;
  let poll: ReturnType<typeof setInterval> | undefined;
  let onDrain = () => {};
  const waits = () => (socket.bufferedAmount ?? 0) >= highWaterBytes;
  const stop = () => {
    open = false;
    clearInterval(poll);
  };
  const close = (code: number, reason: string) => {
    if (open) {
      stop();
      socket.close(code, reason);
    }
  };
  const waiting = socket.pause && { pause: () => socket.pause?.(), resume: () => socket.resume?.() };
  return {
    ...waiting,
    wholeFrames: true,
    start(receiver) {
      socket.binaryType = "arraybuffer";
      onDrain = () => receiver.drained();
      socket.addEventListener("message", ({ data }) => {
        if (data instanceof ArrayBuffer) {
          receiver.receive(new Uint8Array(data));
        } else {
          violation = closeCode.unsupportedData;
          receiver.unreadable(new Error("a message is not binary"));
        }
      });
      socket.addEventListener("close", ({ code, reason }) => {
        stop();
        const well = code === undefined || code === closeCode.normal;
        receiver.ended(
          well ? undefined : new Error(`the WebSocket was closed with code ${code} ${reason ?? ""}`.trim()),
        );
      });
      // allowed empty-catch: a close event follows.
      socket.addEventListener("error", () => {});
    },
    send(bytes) {
      if (!open) {
        return true;
      }
      // What is sent is on an ArrayBuffer, never on a shared one.
      socket.send(bytes as Uint8Array<ArrayBuffer>);
      if (!waits()) {
        return true;
      }
      poll ??= setInterval(() => {
        if (!waits()) {
          clearInterval(poll);
          poll = undefined;
          onDrain();
        }
      }, pollMs);
      return false;
    },
    close(error) {
      close(error === undefined ? closeCode.normal : violation, closeReason(error?.message ?? ""));
    },
  };
}
