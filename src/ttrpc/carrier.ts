/**
 * One open connection of a carrier, such as a socket or a WebSocket: the little that ttrpc needs of it. For another
 * carrier, write an adapter to this.
 */
export interface CarrierConnection {
  /**
   * True if each chunk handed to `receive` holds whole frames, as with WebSockets and message ports; false for a stream
   * of bytes, which may be cut anywhere.
   */
  readonly wholeFrames: boolean;
  /** Begins to deliver what comes in. Called once. */
  start(receiver: CarrierReceiver): void;
  /**
   * Sends bytes, one or more whole frames, in order. The memory behind them is not written to again. What is sent after
   * the end is dropped. If it throws, as anything else here, the connection ends with that error.
   * @param given True if the carrier gets all of the memory behind them for good: nothing else reads it any more, so once
   * they have left, it can be given back without waiting for the garbage collector, or be transferred. May be ignored.
   * @returns False if more should wait until `drained`.
   */
  send(bytes: Uint8Array, given?: boolean): boolean;
  /** Ends the connection, once what was sent has left; at once if there is an error, which the other side has caused. */
  close(error?: Error): void;
  /** Stops delivering for a while, where the carrier can do that. */
  pause?(): void;
  /** Goes on delivering. */
  resume?(): void;
}

/** The receiver of a connection's data and of its end. */
export interface CarrierReceiver {
  /** Bytes have come in. */
  receive(bytes: Uint8Array): void;
  /**
   * Something has come in that is no bytes, such as a text message. The connection is ended as by bytes that are no ttrpc:
   * `close(error)` is called.
   */
  unreadable(error: Error): void;
  /** More can be sent. */
  drained(): void;
  /** The connection has ended, in whatever way; nothing comes after this. */
  ended(error?: Error): void;
}
