import type { Duplex } from "node:stream";
import { untilAborted } from "../../base/async/until-aborted.ts";
import type { YamuxSession } from "./session.ts";
import { createYamuxSession } from "./session.ts";

/** The connections between a host and its plugin, all of them within one: that of a go-plugin host that multiplexes. */
export interface Multiplexer {
  /**
   * Takes over the connection, once in the life of a multiplexer.
   * @param accept Takes the streams of the other side that are not expected. Default: they are refused.
   */
  attach(carrier: Duplex, accept?: (stream: Duplex) => void): void;
  /** Opens a stream: at once, or as soon as there is a connection. */
  openStream(signal?: AbortSignal): Promise<Duplex>;
  /**
   * The next stream of the other side that nothing else expects goes to `take`, if it comes within 5 s. Returns a
   * function that stops expecting it; undefined if already as many are expected as can be.
   */
  expectStream(take: (stream: Duplex) => void): (() => void) | undefined;
  /** Settles when the connection has ended, or the multiplexer was closed. */
  readonly ended: Promise<void>;
  /** Breaks off the streams that are open and ends the connection. */
  close(): Promise<void>;
}

/** Milliseconds that a stream is expected: as long as the other side may take for anything of the broker. */
const expectMs = 5_000;

/** Streams that can be expected at once. */
const maxExpected = 256;

/**
 * Makes a multiplexer that waits for its connection. A host is the client.
 *
 * Streams have no names: who is to have which is told by their order alone.
 */
export function createMultiplexer(role: "client" | "server"): Multiplexer {
  const { promise: attached, resolve: resolveAttached, reject: rejectAttached } = Promise.withResolvers<YamuxSession>();
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<void>();
  attached.catch(() => undefined);
  let session: YamuxSession | undefined;
  let closed = false;
  let expected: { readonly until: number; take(stream: Duplex): void }[] = [];

  function forgetExpired() {
    const now = performance.now();
    expected = expected.filter(({ until }) => until > now);
  }

  return {
    attach(carrier, accept) {
      if (session !== undefined || closed) {
        carrier.destroy();
        return;
      }
      session = createYamuxSession(carrier, {
        role,
        onStream(stream) {
          forgetExpired();
          const next = expected.shift();
          if (next !== undefined) {
            next.take(stream);
          } else if (accept !== undefined) {
            accept(stream);
          } else {
            stream.destroy(new Error("no dial is waiting for this stream"));
          }
        },
      });
      resolveAttached(session);
      const ended = () => resolveEnded();
      session.ended.then(ended, ended);
    },
    async openStream(signal) {
      // Without waiting where there is a connection: streams are told apart by the order in which they were asked for.
      const open = session ?? (await (signal === undefined ? attached : untilAborted(signal, attached)));
      return open.openStream();
    },
    expectStream(take) {
      forgetExpired();
      if (expected.length >= maxExpected) {
        return undefined;
      }
      const own = { until: performance.now() + expectMs, take };
      expected.push(own);
      return () => {
        expected = expected.filter((each) => each !== own);
      };
    },
    ended,
    async close() {
      closed = true;
      expected = [];
      rejectAttached(new Error("the multiplexer is closed"));
      await session?.close();
      resolveEnded();
    },
  };
}
