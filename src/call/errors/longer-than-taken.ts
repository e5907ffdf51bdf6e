import { Code, ConnectError } from "@connectrpc/connect";

/** The error for a message that is longer than its receiver takes. */
export function longerThanTaken(bytes: number, maxMessageBytes: number): ConnectError {
  return new ConnectError(
    `the message has ${bytes} bytes, and only ${maxMessageBytes} are accepted (maxMessageBytes)`,
    Code.ResourceExhausted,
  );
}
