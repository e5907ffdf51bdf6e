import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Data that came in on a server's connection and was not taken yet, over all its calls: messages of streams, as far as
 * no window bounds them, requests whose gate has not decided, and messages in chunks that are not complete.
 */
export interface Backlog {
  /** True once the limit is reached. The last message may exceed it. */
  full(extended: boolean): boolean;
  /** So many bytes more wait; with less than zero, so many fewer. */
  add(bytes: number): void;
  /**
   * Reserves room for a message that comes in chunks, until it is whole.
   * @param granted Called when there is room, which may be at once; first come, first served.
   */
  reserve(bytes: number, granted: () => void): Reservation;
}

/** Room for one message. */
export interface Reservation {
  /** Gives the room back, or waits for it no longer. */
  end(): void;
}

const mebibyte = 1024 * 1024;

/**
 * Most that waits, in bytes; and again for messages in chunks. A carrier that can't pause, such as a Worker's WebSocket, brings whatever is sent; those who
 * speak plugboard.stream.v1 send no more than one message beyond each window.
 */
const limits = {
  pausing: { plain: 64 * mebibyte, extended: 64 * mebibyte },
  pauseless: { plain: 4 * mebibyte, extended: 16 * mebibyte },
} as const;

/** Makes an empty one. */
export function createBacklog(canPause: boolean): Backlog {
  const { plain, extended } = canPause ? limits.pausing : limits.pauseless;
  let waiting = 0;
  /** Room of messages that are not whole: apart from the others', which a peer may send without asking for room. */
  let reserved = 0;
  const reservations = new Set<{ readonly bytes: number; readonly granted: () => void }>();

  function grant() {
    for (const reservation of reservations) {
      if (reserved >= extended) {
        return;
      }
      reservations.delete(reservation);
      reserved += reservation.bytes;
      reservation.granted();
    }
  }

  return {
    full: (isExtended) => waiting >= (isExtended ? extended : plain),
    add(bytes) {
      waiting += bytes;
    },
    reserve(bytes, granted) {
      const reservation = { bytes, granted };
      reservations.add(reservation);
      grant();
      let over = false;
      return {
        end() {
          if (!over) {
            over = true;
            if (!reservations.delete(reservation)) {
              reserved -= bytes;
              grant();
            }
          }
        },
      };
    },
  };
}

/** The error of a call whose message does not fit. */
export function backlogFull(): ConnectError {
  return new ConnectError("the calls of this connection send faster than they are read", Code.ResourceExhausted);
}
