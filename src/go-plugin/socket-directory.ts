import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { isPlugboardError } from "../base/errors.ts";
import { listenError } from "../node/listen/errors.ts";
import { keepsEntries } from "../node/own-place.ts";
import { handshakeError } from "./errors.ts";

/**
 * Makes a directory for one socket, in the system's temporary directory, that only this user can enter.
 * @throws PlugboardError PB-SOCKET-DIRECTORY if it can't be made, or others could replace it, PB-SOCKET-PATH if no handshake can name it
 */
export function makeSocketDirectory(): string {
  // A plugin that is told of it may have another working directory.
  const parent = path.resolve(os.tmpdir());
  checkSocketDirectory(parent);
  try {
    if (!keepsEntries(parent)) {
      throw handshakeError(
        "PB-SOCKET-DIRECTORY",
        `a directory for the socket would not be safe in ${JSON.stringify(parent)}: other users can write there, and replace it`,
        {
          hint: "Set TMPDIR to a directory that only this user may write to, or set its sticky bit (chmod +t), as /tmp has.",
        },
      );
    }
    return fs.mkdtempSync(path.join(parent, "plugboard-"));
  } catch (cause) {
    if (isPlugboardError(cause)) {
      throw cause;
    }
    throw handshakeError("PB-SOCKET-DIRECTORY", `the directory for the socket can't be created: ${String(cause)}`, {
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
    throw listenError(
      "PB-SOCKET-PATH",
      `the handshake can't name a socket in ${quoted}: its path must not contain "|" or a line end`,
    );
  }
}
