import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/** Whoever sets one of these has decided already; coverage is less exact with a cache. */
const decisions = ["NODE_COMPILE_CACHE", "NODE_DISABLE_COMPILE_CACHE", "NODE_V8_COVERAGE"] as const;

/**
 * What to add to the environment of a process so that Node, if it runs that, keeps what it compiles
 * (https://nodejs.org/api/module.html#module-compile-cache): plugins start faster from the second time on.
 * @param env All else that is in the environment of the process.
 */
export function compileCacheEnvironment(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  if (decisions.some((name) => env[name] !== undefined)) {
    return {};
  }
  const directory = path.join(userCacheDirectory(env), "plugboard", "compile-cache");
  return makePrivate(directory) ? { NODE_COMPILE_CACHE: directory } : {};
}

/** Where what programs cache for this user belongs (https://specifications.freedesktop.org/basedir-spec/latest/). */
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
    const { uid, mode } = fs.statSync(real);
    return uid === process.geteuid?.() && (mode & 0o022) === 0 && isFixed(real, uid);
  } catch {
    // There is no home, or nothing can be made in it. Plugins start all the same.
    return false;
  }
}

/** Whether nobody but root and the user can put something else in place of a directory. */
function isFixed(directory: string, user: number): boolean {
  const parent = path.dirname(directory);
  if (parent === directory) {
    return true;
  }
  const { uid, mode } = fs.statSync(parent);
  const isSticky = (mode & 0o1000) !== 0;
  return (uid === user || uid === 0) && ((mode & 0o022) === 0 || isSticky) && isFixed(parent, user);
}
