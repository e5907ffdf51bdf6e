import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Carries many connections within one. */
export interface Multiplexing {
  /** Takes over the one connection; each of those within it goes to `accept`. */
  attach(carrier: Duplex, accept: (stream: Duplex) => void): void;
  /** Breaks off the connections within, and ends the one. */
  close(): Promise<void>;
}

/** Takes sockets in for a multiplexing. */
export interface SingleConnection {
  /** Takes a socket: the first that says something is the one, the others are destroyed. */
  take(socket: Socket): void;
  /** Ends all. */
  close(): Promise<void>;
}

/** @param timeoutMs Milliseconds until a socket must have sent its first bytes. */
export function createSingleConnection(
  { attach, close }: Multiplexing,
  accept: (stream: Duplex) => void,
  timeoutMs: number,
): SingleConnection {
  const sockets = new Set<Socket>();
  let attached = false;
  return {
    take(socket) {
      sockets.add(socket);
      const timer = setTimeout(() => socket.destroy(), timeoutMs);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => {
        clearTimeout(timer);
        sockets.delete(socket);
      });
      socket.once("readable", () => {
        clearTimeout(timer);
        if (attached || socket.readableLength === 0) {
          socket.destroy();
          return;
        }
        attached = true;
        attach(socket, accept);
      });
    },
    async close() {
      await close();
      for (const socket of sockets) {
        socket.destroy();
      }
    },
  };
}
