/** Bytes of frames with messages that each side of a stream may send before it is given more. */
export const initialWindowBytes = 256 * 1024;

/** Bytes of messages that one side may still send on a stream of plugboard.stream.v1. */
export interface SendWindow {
  /** True if a message may be sent. One may be larger than what is left. */
  readonly open: boolean;
  /** A message of so many bytes was sent. */
  take(bytes: number): void;
  /** The other side allows so many bytes more. */
  give(bytes: number): void;
  /** Settles when a message may be sent, or when the stream has ended. */
  opened(): Promise<void>;
  /** The stream has ended: no writer waits any longer. */
  end(): void;
}

/**
 * Makes a window.
 * @param limited False for a plain peer, which knows of no windows.
 */
export function createSendWindow(limited: boolean): SendWindow {
  let left = limited ? initialWindowBytes : Number.POSITIVE_INFINITY;
  let waiting: (() => void) | undefined;
  const wake = () => {
    waiting?.();
    waiting = undefined;
  };
  return {
    get open() {
      return left > 0;
    },
    take(bytes) {
      left -= bytes;
    },
    give(bytes) {
      left += bytes;
      if (left > 0) {
        wake();
      }
    },
    opened() {
      return left > 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting = resolve;
          });
    },
    end() {
      left = Number.POSITIVE_INFINITY;
      wake();
    },
  };
}
