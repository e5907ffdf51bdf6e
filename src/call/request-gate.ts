import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Log } from "../base/log.ts";
import { concealError } from "./errors/error-for-caller.ts";

/**
 * Decides whether a call may go on, when its headers are there and before any of its messages is read. Throws a
 * ConnectError if it may not. It may set context values for interceptors and handler, and response headers.
 */
export type RequestGate = (context: HandlerContext) => void | Promise<void>;

/** Has a call pass a gate. What goes wrong in the gate itself is concealed as it is in handlers. */
export async function passGate(gate: RequestGate, context: HandlerContext, log: Log): Promise<void> {
  try {
    await gate(context);
  } catch (error) {
    throw concealError(error, context, log);
  }
}

/** Makes one gate of several, which a call passes in their order. */
export function joinGates(gates: readonly (RequestGate | undefined)[]): RequestGate | undefined {
  const [first, ...others] = gates.filter((each) => each !== undefined);
  if (first === undefined || others.length === 0) {
    return first;
  }
  return async (context) => {
    await first(context);
    for (const gate of others) {
      await gate(context);
    }
  };
}

/** Refuses calls whose header fields, names and values, and URL are longer than so many bytes together. */
export function limitHeaders(maxHeaderBytes: number): RequestGate {
  return ({ requestHeader, url }) => {
    let length = url.length;
    for (const [name, value] of requestHeader) {
      length += name.length + value.length;
    }
    if (length > maxHeaderBytes) {
      throw new ConnectError(`the call's headers are longer than ${maxHeaderBytes} bytes`, Code.ResourceExhausted);
    }
  };
}
