import type { Contender } from "../contender.ts";
import { startServer } from "../server-process.ts";
import type { Connected } from "./calls.ts";

/** Starts the contenders' servers and connects to them, until `stack` is disposed of. */
export async function connectAll(
  contenders: readonly Contender[],
  pathOf: (name: string) => string,
  stack: AsyncDisposableStack,
): Promise<readonly Connected[]> {
  const connected: Connected[] = [];
  for (const { name, server, oneAtATime = false, connect } of contenders) {
    stack.use(await startServer(server, pathOf(name)));
    const driver = stack.adopt(await connect(pathOf(name)), (each) => each.close());
    connected.push({ name, oneAtATime, driver });
  }
  return connected;
}
