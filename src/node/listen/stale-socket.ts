import { once } from "node:events";
import { lstatSync, unlinkSync } from "node:fs";
import * as net from "node:net";

/**
 * Removes the Unix socket that a process has left behind: `true` if it did. What is no socket stays, as does one at which a
 * process listens.
 * @throws Error if there is nothing at the path, or this user can't remove it
 */
export async function removeStaleSocket(path: string): Promise<boolean> {
  if (!lstatSync(path).isSocket() || (await isListening(path))) {
    return false;
  }
  unlinkSync(path);
  return true;
}

async function isListening(path: string): Promise<boolean> {
  const socket = net.connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ECONNREFUSED");
  } finally {
    socket.destroy();
  }
}
