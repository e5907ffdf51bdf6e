import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";

/**
 * Removes the Unix socket of a plugin that has ended, if it is still there. One at which somebody still listens belongs to
 * somebody else.
 */
export async function removeLeftoverSocket(path: string): Promise<void> {
  try {
    if (fs.lstatSync(path).isSocket() && !(await isListening(path))) {
      fs.rmSync(path);
    }
  } catch {
    // allowed empty-catch: it is gone already, or this user can't remove it.
  }
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
