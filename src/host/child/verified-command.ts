import { createHash, timingSafeEqual } from "node:crypto";
import * as fs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { access, chmod, copyFile, open, realpath, rm, stat } from "node:fs/promises";
import * as path from "node:path";
import { isPlugboardError } from "../../base/errors.ts";
import { makeSocketDirectory } from "../../go-plugin/socket-directory.ts";
import { isFixedFile } from "../../node/own-place.ts";
import { childError } from "./errors.ts";

/** The directories in which a command is looked for. */
export interface CommandEnvironment {
  /** Working directory of the process to come. */
  readonly cwd: string;
  /** Its environment: PATH counts. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** A command that is to be started. */
export interface VerifiedCommand {
  readonly file: string;
  /** A directory that was made for a copy of it, to be removed with it. */
  readonly directory?: string;
}

/**
 * Finds the file that a command would start, and checks its SHA-256. Returns the file's own path, through all links, so
 * that the file that is started is the one that was read, whatever becomes of links and PATH; where others could put
 * another in its place, that of a copy in a directory of this user's own.
 * @param sha256 The expected checksum, in hexadecimal.
 * @throws PlugboardError PB-LAUNCH-CHECKSUM, PB-LAUNCH-NOT-FOUND or PB-LAUNCH-NOT-EXECUTABLE, PB-SOCKET-DIRECTORY if it can't
 * be copied
 */
export async function verifiedCommand(
  file: string,
  sha256: string,
  environment: CommandEnvironment,
): Promise<VerifiedCommand> {
  if (!/^[0-9a-f]{64}$/i.test(sha256)) {
    throw childError("PB-LAUNCH-CHECKSUM", "the expected SHA-256 does not have 64 hexadecimal digits", {
      hint: "Take it from where the plugin was published, or from: sha256sum FILE",
    });
  }
  const found = await findCommand(file, environment);
  if (isFixedFile(found)) {
    await check(found, sha256, environment.signal);
    return { file: found };
  }
  const directory = makeSocketDirectory();
  try {
    // allowed paths: the last part of a path without links, which is that of a file.
    const copy = path.join(directory, path.basename(found));
    await copyFile(found, copy, fs.constants.COPYFILE_EXCL);
    await chmod(copy, 0o500);
    await check(copy, sha256, environment.signal, found);
    return { file: copy, directory };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Checks the SHA-256 of a file.
 * @param name Its name in errors.
 */
async function check(file: string, sha256: string, signal: AbortSignal, name = file): Promise<void> {
  const actual = await hash(file, signal);
  if (!timingSafeEqual(actual, Buffer.from(sha256, "hex"))) {
    throw childError("PB-LAUNCH-CHECKSUM", `the SHA-256 of ${name} is ${actual.toString("hex")}, not the expected one`);
  }
}

async function hash(file: string, signal: AbortSignal): Promise<Buffer> {
  const digest = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const before = await handle.stat();
    let length: number;
    do {
      signal.throwIfAborted();
      length = (await handle.read(buffer)).bytesRead;
      digest.update(buffer.subarray(0, length));
    } while (length > 0);
    const after = await stat(file);
    if (after.ino !== before.ino || after.dev !== before.dev || after.mtimeMs !== before.mtimeMs) {
      throw childError("PB-LAUNCH-CHECKSUM", `${file} was changed or replaced while it was read`);
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (isPlugboardError(cause)) {
      throw cause;
    }
    throw childError("PB-LAUNCH-CHECKSUM", `${file} can't be read: ${String(cause)}`, {
      cause,
      hint: "Make the file readable for the host, which has to check it.",
    });
  } finally {
    await handle?.close();
  }
  return digest.digest();
}

/** Looks for a command as execvp does (POSIX, exec): in the directories of PATH, unless it is a path itself. */
async function findCommand(file: string, { cwd, env }: CommandEnvironment): Promise<string> {
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
      // allowed empty-catch: the next directory may have one.
    }
  }
  throw isThere
    ? childError("PB-LAUNCH-NOT-EXECUTABLE", `${file} can't be executed`)
    : childError("PB-LAUNCH-NOT-FOUND", `there is no command ${file}`);
}
