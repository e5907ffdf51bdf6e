import type { Duplex } from "node:stream";
import { setDeadlineTimer } from "../../base/async/within.ts";
import { flushMs } from "../../call/time/grace-period.ts";

/** The open connections of a server. */
export interface Connections {
  /** Takes a connection until it closes. One too many, or one that comes while they drain, is destroyed: then it is `false`. */
  admit(connection: Duplex): boolean;
  /** Puts what speaks TLS on a connection in the place of it: that has to end first. */
  replace(connection: Duplex, by: Duplex): void;
  /**
   * Leaves ending a connection to the protocol on it. HTTP/2 writes past its socket, which doesn't know what has to leave
   * before it ends.
   */
  leaveEnding(connection: Duplex): void;
  /** Admits no more. */
  refuseMore(): void;
  /**
   * Closes all once what was written has left. A peer that doesn't read can't keep its connection; one that reads slowly has
   * until `graceEnds`, of `performance.now()`.
   */
  close(graceEnds: number): Promise<void>;
}

/** Makes an empty set. Default: any number of connections. */
export function createConnections(maxConnections = Number.POSITIVE_INFINITY): Connections {
  const open = new Set<Duplex>();
  const endThemselves = new WeakSet<Duplex>();
  let refuses = false;

  function track(connection: Duplex) {
    open.add(connection);
    connection.once("close", () => open.delete(connection));
    connection.on("error", () => connection.destroy());
  }

  function destroy(condition: (connection: Duplex) => boolean) {
    for (const connection of open) {
      if (condition(connection)) {
        connection.destroy();
      }
    }
  }

  return {
    admit(connection) {
      if (refuses || open.size >= maxConnections) {
        connection.on("error", () => undefined).destroy();
        return false;
      }
      track(connection);
      return true;
    },
    replace(connection, by) {
      open.delete(connection);
      track(by);
    },
    leaveEnding(connection) {
      endThemselves.add(connection);
    },
    refuseMore() {
      refuses = true;
    },
    async close(graceEnds) {
      refuses = true;
      const closed = [...open].map((each) => new Promise<void>((resolve) => each.once("close", () => resolve())));
      for (const connection of open) {
        if (connection.writableFinished) {
          connection.destroy();
        } else if (!endThemselves.has(connection)) {
          connection.once("finish", () => connection.destroy()).end();
        }
      }
      const destroyIdle = setTimeout(() => destroy(({ writableLength }) => writableLength === 0), flushMs);
      const destroyAll = setDeadlineTimer(() => destroy(() => true), Math.max(flushMs, graceEnds - performance.now()));
      await Promise.all(closed);
      clearTimeout(destroyIdle);
      clearTimeout(destroyAll);
    },
  };
}
