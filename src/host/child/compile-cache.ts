import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { isFixed, isOwn } from "../../node/own-place.ts";

/** A user who sets one of these has decided already; coverage is less exact with a cache. */
const decisions = ["NODE_COMPILE_CACHE", "NODE_DISABLE_COMPILE_CACHE", "NODE_V8_COVERAGE"] as const;

/**
 * Variables for the environment of a process so that Node, if it runs that, keeps what it compiles
 * (https://nodejs.org/api/module.html#module-compile-cache): plugins start faster from the second time on. Each command
 * has a directory of its own, so that no plugin writes into the cache of another.
 * @param env All else that is in the environment of the process.
 */
export function compileCacheEnvironment(
  env: NodeJS.ProcessEnv,
  command: readonly string[],
  cwd: string,
): Readonly<Record<string, string>> {
  if (decisions.some((name) => env[name] !== undefined)) {
    return {};
  }
  const identity = identityOf(command, cwd);
  if (identity === undefined) {
    return {};
  }
  // allowed paths: the identity is a hash in hexadecimal.
  const directory = path.join(userCacheDirectory(env), "plugboard", "compile-cache", identity);
  return makePrivate(directory) ? { NODE_COMPILE_CACHE: directory } : {};
}

/**
 * Names a command by the last file in it, and what is before that: what follows may be another at each start. One without a
 * file beside its program, such as that of a shell, has no name: each word of it may be another, and the caches would pile up.
 */
function identityOf(command: readonly string[], cwd: string): string | undefined {
  const files = command.map((word) => fileAt(path.resolve(cwd, word)));
  const last = command.length === 1 ? 0 : files.findLastIndex((file, index) => index > 0 && file !== undefined);
  if (files[last] === undefined) {
    return undefined;
  }
  const words = command.slice(0, last + 1).map((word, index) => files[index] ?? word);
  return createHash("sha256").update(JSON.stringify(words)).digest("hex").slice(0, 32);
}

function fileAt(place: string): string | undefined {
  try {
    return fs.statSync(place).isFile() ? fs.realpathSync(place) : undefined;
  } catch {
    return undefined;
  }
}

/** The user's cache directory (https://specifications.freedesktop.org/basedir-spec/latest/). */
function userCacheDirectory({ XDG_CACHE_HOME = "" }: NodeJS.ProcessEnv): string {
  if (path.isAbsolute(XDG_CACHE_HOME)) {
    return XDG_CACHE_HOME;
  }
  return path.join(os.homedir(), process.platform === "darwin" ? "Library/Caches" : ".cache");
}

/**
 * Makes the directory, unless it is there. Returns false if there is none that only this user can write to or replace:
 * who can write to the cache has plugins run what they like.
 */
function makePrivate(directory: string): boolean {
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const real = fs.realpathSync(directory);
    return isOwn(fs.statSync(real)) && isFixed(real);
  } catch {
    // There is no home, or nothing can be made in it. Plugins start all the same.
    return false;
  }
}
