/** The parts of a call beside its message for which the protocol has no place. */
export interface CallParts {
  readonly timeoutMs: number;
  readonly header: Readonly<Record<string, string>>;
}

/** EchoService as Cap'n Web has it. */
export interface EchoTarget {
  echo(data: Uint8Array, parts: CallParts): Uint8Array;
  hold(): ReadableStream<Uint8Array>;
  produce(count: number, size: number, parts: CallParts): ReadableStream<Uint8Array>;
}
