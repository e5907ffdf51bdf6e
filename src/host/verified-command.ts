import { createHash, timingSafeEqual } from "node:crypto";
import * as fs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { access, open, realpath, stat } from "node:fs/promises";
import * as path from "node:path";
import { PlugboardError } from "../plugin/errors.ts";

/** Where a command is looked for. */
export interface Surroundings {
  /** Working directory of the process to come. */
  readonly cwd: string;
  /** Its environment: PATH counts. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/**
 * Finds the file that a command would start, and checks its SHA-256. Returns the file's own path, through all links, so
 * that the file that is started is the one that was read, whatever becomes of links and PATH.
 * @param sha256 What it has to be, in hexadecimal.
 * @throws PlugboardError PB-LAUNCH-CHECKSUM, PB-LAUNCH-NOT-FOUND or PB-LAUNCH-NOT-EXECUTABLE
 */
export async function verifiedCommand(file: string, sha256: string, surroundings: Surroundings): Promise<string> {
  if (!/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new PlugboardError("PB-LAUNCH-CHECKSUM", "the expected SHA-256 is not of 64 hexadecimal digits", {
      hint: "Take it from where the plugin was published, or from: sha256sum FILE",
    });
  }
  const found = await findCommand(file, surroundings);
  const actual = await hash(found, surroundings.signal);
  if (!timingSafeEqual(actual, Buffer.from(sha256, "hex"))) {
    throw new PlugboardError(
      "PB-LAUNCH-CHECKSUM",
      `the SHA-256 of ${found} is ${actual.toString("hex")}, not the expected one`,
    );
  }
  return found;
}

async function hash(file: string, signal: AbortSignal): Promise<Buffer> {
  const digest = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    let length: number;
    do {
      signal.throwIfAborted();
      length = (await handle.read(buffer)).bytesRead;
      digest.update(buffer.subarray(0, length));
    } while (length > 0);
  } catch (cause) {
    signal.throwIfAborted();
    throw new PlugboardError("PB-LAUNCH-CHECKSUM", `${file} can't be read: ${String(cause)}`, {
      cause,
      hint: "To be checked, the file has to be readable for the host.",
    });
  } finally {
    await handle?.close();
  }
  return digest.digest();
}

/** Looks for a command as execvp does (POSIX, exec): in the directories of PATH, unless it is a path itself. */
async function findCommand(file: string, { cwd, env }: Surroundings): Promise<string> {
  const directories = file.includes("/") ? [""] : (env.PATH ?? "/bin:/usr/bin").split(":");
  let isThere = false;
  for (const directory of directories) {
    const candidate = path.resolve(cwd, directory, file);
    try {
      if (!(await stat(candidate)).isFile()) {
        continue;
      }
      isThere = true;
      await access(candidate, fs.constants.X_OK);
      return await realpath(candidate);
    } catch {
      // The next directory may have one.
    }
  }
  throw isThere
    ? new PlugboardError("PB-LAUNCH-NOT-EXECUTABLE", `${file} can't be executed`)
    : new PlugboardError("PB-LAUNCH-NOT-FOUND", `there is no command ${file}`);
}
