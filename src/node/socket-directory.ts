import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { PlugboardError } from "../plugin/errors.ts";

/**
 * Makes a directory for one socket, in the system's temporary directory, that only this user can enter.
 * @throws PlugboardError PB-SOCKET-DIRECTORY if it can't be made, PB-SOCKET-PATH if no handshake can name it
 */
export function makeSocketDirectory(): string {
  checkSocketDirectory(os.tmpdir());
  try {
    return fs.mkdtempSync(path.join(os.tmpdir(), "plugboard-"));
  } catch (cause) {
    throw new PlugboardError("PB-SOCKET-DIRECTORY", `no directory can be made for the socket: ${String(cause)}`, {
      cause,
    });
  }
}

/**
 * Checks that a handshake can name sockets in a directory: its fields are separated by "|", and it is one line.
 * @throws PlugboardError PB-SOCKET-PATH
 */
export function checkSocketDirectory(directory: string): void {
  if (/[|\r\n]/.test(directory)) {
    const quoted = JSON.stringify(directory);
    throw new PlugboardError(
      "PB-SOCKET-PATH",
      `the handshake can't name a socket in ${quoted}: no "|" or line end fits`,
    );
  }
}
