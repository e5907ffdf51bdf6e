import { Code, ConnectError } from "@connectrpc/connect";

/**
 * What a server's connection holds that came in and that nobody has taken yet, over all its calls: messages of streams, as
 * far as no window bounds them, and requests whose gate has not decided.
 */
export interface Backlog {
  /** True if there is no room; the message that has filled it may have gone beyond the limit. */
  full(extended: boolean): boolean;
  /** So many bytes more wait; with less than zero, so many fewer. */
  add(bytes: number): void;
}

const mebibyte = 1024 * 1024;

/**
 * Most that waits, in bytes. A carrier that can't pause, such as a Worker's WebSocket, brings whatever is sent; those who
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
  return {
    full: (isExtended) => waiting >= (isExtended ? extended : plain),
    add(bytes) {
      waiting += bytes;
    },
  };
}

/** What a call fails with whose message finds no room. */
export function backlogFull(): ConnectError {
  return new ConnectError("the calls of this connection send more than is read", Code.ResourceExhausted);
}
