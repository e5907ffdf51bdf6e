import type { CarrierConnection } from "../carrier.ts";

/** The part of a MessagePort that is used here: of browsers, of Node's worker threads, or of anything like them. */
export interface MessagePortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: "message" | "messageerror" | "close", listener: (event: object) => void): void;
  start?(): void;
  close?(): void;
}

/** Ports that have closed: they never open again, and don't tell. */
const closedPorts = new WeakSet<MessagePortLike>();

/** True if a port is known to be closed for good. */
export function isClosedPort(port: MessagePortLike): boolean {
  return closedPorts.has(port);
}

/**
 * Carries ttrpc over a message port: one message is one Uint8Array of whole frames, whose buffer is transferred; null is
 * the end. A port tells nothing of how much waits in it; the windows of plugboard.stream.v1 bound that.
 */
export function messagePortCarrier(port: MessagePortLike): CarrierConnection {
  const closePort = () => {
    if (port.close !== undefined) {
      closedPorts.add(port);
      port.close();
    }
  };
  return {
    wholeFrames: true,
    start(receiver) {
      port.addEventListener("message", (event) => {
        const data = "data" in event ? event.data : undefined;
        if (data instanceof Uint8Array) {
          receiver.receive(data);
        } else if (data === null) {
          closePort();
          receiver.ended();
        } else {
          receiver.unreadable(new Error("a message is not a Uint8Array"));
        }
      });
      port.addEventListener("messageerror", () => receiver.unreadable(new Error("a message can't be read")));
      // Browsers tell this only by now, and not all of them.
      port.addEventListener("close", () => {
        closedPorts.add(port);
        receiver.ended();
      });
      port.start?.();
    },
    send(bytes) {
      // A buffer of its own, as what is transferred is gone from here.
      const own = bytes.slice();
      port.postMessage(own, [own.buffer]);
      return true;
    },
    close() {
      try {
        port.postMessage(null, []);
      } finally {
        closePort();
      }
    },
  };
}
