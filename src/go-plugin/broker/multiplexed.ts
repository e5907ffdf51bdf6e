import type { Duplex } from "node:stream";
import { untilAborted } from "../../base/async/until-aborted.ts";
import type { Multiplexer } from "../yamux/multiplexer.ts";
import type { ControlStream } from "./control-stream.ts";
import { brokerError } from "./errors.ts";
import type { BrokerStrategy } from "./strategy.ts";
import { waitMs } from "./strategy.ts";

/**
 * Knocks that are remembered at most: those that come before anything is served, and those of ours that were given up.
 */
const maxRemembered = 256;

/**
 * Each connection is a stream of the multiplexer. As streams have no names, the dialing side knocks first, waits for
 * the reply, and opens the next stream at once; two dials must not get mixed up.
 */
export function createMultiplexedStrategy(
  control: Pick<ControlStream, "send">,
  multiplexer: Multiplexer,
): BrokerStrategy {
  const served = new Map<number, (connection: Duplex) => void>();
  let highestServed = 0;
  /** Until when the other side waits that something is served under an id. */
  const early = new Map<number, number>();
  /** The knock of ours that waits for its reply. */
  let knocking: { readonly id: number; open(): void; fail(error: Error): void } | undefined;
  /** Ids of knocks that were given up, but that may still get a reply. */
  const givenUp = new Set<number>();
  let lastDial: Promise<unknown> = Promise.resolve();

  function welcome(id: number, accept: (connection: Duplex) => void) {
    const forget = multiplexer.expectStream((stream) => {
      if (served.get(id) === accept) {
        accept(stream);
      } else {
        stream.destroy();
      }
    });
    const error = forget === undefined ? "too many connections are being made" : "";
    if (!control.send({ serviceId: id, knock: { knock: true, ack: true, error } })) {
      // The other side does not know that it is to open a stream: its next one would be taken for this.
      forget?.();
    }
  }

  function receiveKnock(id: number) {
    const accept = served.get(id);
    if (accept !== undefined) {
      welcome(id, accept);
      return;
    }
    if (id <= highestServed) {
      const error = `nothing is served under id ${id}`;
      control.send({ serviceId: id, knock: { knock: true, ack: true, error } });
      return;
    }
    const now = performance.now();
    for (const [earlier, until] of early) {
      if (until <= now) {
        early.delete(earlier);
      }
    }
    if (early.size < maxRemembered) {
      early.set(id, now + waitMs);
    }
  }

  function receiveReply(id: number, error: string) {
    if (knocking?.id === id) {
      const { open, fail } = knocking;
      knocking = undefined;
      if (error === "") {
        open();
      } else {
        fail(brokerError("PB-BROKER-REFUSED", `the other side refuses id ${id}: ${error.slice(0, 200)}`));
      }
    } else if (givenUp.delete(id) && error === "") {
      // The other side takes our next stream for this one's: it has to get one.
      multiplexer.openStream().then(
        (stream) => stream.destroy(),
        () => undefined,
      );
    }
  }

  async function dial(id: number, signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted();
    const { promise: stream, resolve, reject } = Promise.withResolvers<Duplex>();
    knocking = { id, open: () => resolve(multiplexer.openStream(signal)), fail: reject };
    const own = knocking;
    const sent = control.send({ serviceId: id, knock: { knock: true } });
    if (!sent) {
      knocking = undefined;
      throw brokerError("PB-BROKER-LIMIT", "the other side does not read the broker's messages");
    }
    const timer = setTimeout(
      () =>
        reject(
          brokerError(
            "PB-BROKER-TIMEOUT",
            `the other side did not respond to id ${id} of the broker within ${waitMs} ms`,
          ),
        ),
      waitMs,
    );
    try {
      return await untilAborted(signal, stream);
    } catch (error) {
      // The reply came in the last moment: the stream had to be opened, but will not be used.
      stream.then(
        (unused) => unused.destroy(),
        () => undefined,
      );
      throw error;
    } finally {
      clearTimeout(timer);
      if (knocking === own) {
        knocking = undefined;
        rememberGivenUp(id);
      }
    }
  }

  function rememberGivenUp(id: number) {
    const [oldest] = givenUp;
    if (givenUp.size >= maxRemembered && oldest !== undefined) {
      givenUp.delete(oldest);
    }
    givenUp.add(id);
  }

  return {
    async listen(id, accept) {
      served.set(id, accept);
      highestServed = Math.max(highestServed, id);
      const until = early.get(id);
      if (until !== undefined && until > performance.now()) {
        welcome(id, accept);
      }
      early.delete(id);
      return async () => {
        served.delete(id);
      };
    },
    async reach(id, signal) {
      return () => {
        const dialled = lastDial.then(() => dial(id, signal));
        lastDial = dialled.catch(() => undefined);
        return dialled;
      };
    },
    receive({ serviceId, knock }) {
      // Addresses are of the other mode.
      if (knock?.knock && knock.ack) {
        receiveReply(serviceId, knock.error);
      } else if (knock?.knock) {
        receiveKnock(serviceId);
      }
    },
  };
}
