import type * as http from "node:http";
import type { Duplex } from "node:stream";
import { Code } from "@connectrpc/connect";
import { refusedHeader } from "../../call/errors/call-refused.ts";
import { refuseRequest } from "../../call/refuse-request.ts";
import { lastCallMs } from "../listen/protocol-server.ts";
import { sendBareResponse } from "./bare-response.ts";

/** Milliseconds that a client may take to end its side, and a response to leave, when the server stops. */
const partingMs = 500;

/** The connections of a server of HTTP/1.1, and how they end: so that a client knows of each request what became of it. */
export interface Http1Connections {
  /** Takes a connection on, before the first request. */
  add(socket: Duplex): void;
  /** Lets go of one that speaks HTTP no longer. */
  leave(socket: Duplex): void;
  /** Begins with a request. Returns false if the connection has ended: the request gets no response then. */
  begin(request: http.IncomingMessage, response: http.ServerResponse): boolean;
  /**
   * Ends one on which no request waits for its response. A request that crosses this on its way gets the response that
   * no handler sees it.
   */
  endIdle(socket: Duplex): void;
  /** Ends each when its responses are sent, and those that are added later. Settles when none is left. */
  drain(): Promise<void>;
  /** Waits for no more requests while it drains. */
  hurry(): void;
}

interface Open {
  readonly responses: Set<http.ServerResponse>;
  idleSince: number;
  /** A request has come when it had ended. */
  crossed: boolean;
  /** Ends it, when it has been idle long enough or its client takes too long to. */
  timer?: ReturnType<typeof setTimeout>;
}

/**
 * Keeps the connections of one server.
 * @param endTimeoutMs Milliseconds that a client may go on sending after the last response.
 */
export function createHttp1Connections(endTimeoutMs: number, hsts: string | undefined): Http1Connections {
  const connections = new Map<Duplex, Open>();
  const waiting = new Set<() => void>();
  let draining = false;
  let waitMs = lastCallMs;

  function forget(socket: Duplex) {
    clearTimeout(connections.get(socket)?.timer);
    connections.delete(socket);
    if (connections.size === 0) {
      for (const resolve of waiting) {
        resolve();
      }
    }
  }

  function after(milliseconds: number, open: Open, run: () => void) {
    clearTimeout(open.timer);
    open.timer = setTimeout(run, milliseconds);
  }

  /**
   * A response reaches a client only if all that the client sends is read: otherwise the system resets the connection.
   */
  function part(socket: Duplex, open: Open) {
    after(draining ? partingMs : endTimeoutMs, open, () => socket.destroy());
    if (!socket.writableEnded) {
      socket.end();
    }
  }

  function endIdle(socket: Duplex) {
    const open = connections.get(socket);
    if (open === undefined || open.responses.size > 0 || socket.writableEnded) {
      return;
    }
    // Browsers and others know a response without a request, of this status, for the end of an idle connection.
    const message = "the connection was about to end: nothing was done";
    const { headers, ...refusal } = refuseRequest({ status: 408, code: Code.Unavailable, message }, undefined);
    sendBareResponse(socket, { ...refusal, headers: { ...headers, [refusedHeader]: "draining" } }, hsts);
    part(socket, open);
  }

  function endSoon(socket: Duplex, open: Open) {
    if (socket.writableEnded) {
      part(socket, open);
    } else if (open.responses.size === 0) {
      after(Math.max(0, open.idleSince + waitMs - performance.now()), open, () => endIdle(socket));
    } else {
      for (const response of open.responses) {
        // Node says so, if it still can.
        response.shouldKeepAlive = false;
      }
    }
  }

  function endAllSoon() {
    for (const [socket, open] of connections) {
      endSoon(socket, open);
    }
  }

  return {
    add(socket) {
      const open: Open = { responses: new Set(), idleSince: performance.now(), crossed: false };
      connections.set(socket, open);
      socket.once("close", () => forget(socket));
      // Node would not read on after the last response.
      Object.assign(socket, { destroySoon: () => part(socket, open) });
      if (draining) {
        endSoon(socket, open);
      }
    },
    leave(socket) {
      Reflect.deleteProperty(socket, "destroySoon");
      forget(socket);
    },
    begin(request, response) {
      const { socket } = request;
      const open = connections.get(socket);
      if (open === undefined || socket.writableEnded) {
        // One may have crossed the end; who sends more does not listen.
        if (open === undefined || open.crossed) {
          socket.destroy();
        } else {
          open.crossed = true;
          request.resume();
        }
        return false;
      }
      open.responses.add(response);
      response.once("close", () => {
        open.responses.delete(response);
        open.idleSince = performance.now();
        if (draining && connections.has(socket)) {
          endSoon(socket, open);
        }
      });
      if (draining) {
        clearTimeout(open.timer);
        response.shouldKeepAlive = false;
      }
      return true;
    },
    endIdle,
    async drain() {
      draining = true;
      endAllSoon();
      if (connections.size > 0) {
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
    hurry() {
      waitMs = 0;
      endAllSoon();
    },
  };
}
