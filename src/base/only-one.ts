import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Takes the one request message of a method that has no stream of them.
 * @throws ConnectError unimplemented if there is none, or more than one, as Connect has it
 */
export async function onlyOne<T>(messages: AsyncIterator<T>): Promise<T> {
  const first = await messages.next();
  if (first.done === true) {
    throw new ConnectError("protocol error: the request message is missing", Code.Unimplemented);
  }
  if ((await messages.next()).done !== true) {
    throw new ConnectError("protocol error: there is more than one request message", Code.Unimplemented);
  }
  return first.value;
}
