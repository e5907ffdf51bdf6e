import * as fs from "node:fs";
import * as path from "node:path";

/** Bits of a mode by which a group or others may write. */
const othersWrite = 0o022;
const sticky = 0o1000;

/** Whether something belongs to this user, and nobody but root may write to it besides. */
export function isOwn({ uid, mode }: fs.Stats): boolean {
  return uid === process.geteuid?.() && (mode & othersWrite) === 0;
}

/**
 * Whether nobody but root and this user can put something else in place of a file or directory: all directories above it
 * belong to either, and are writable for nobody else, or sticky.
 * @param real A path without links.
 */
export function isFixed(real: string): boolean {
  const parent = path.dirname(real);
  if (parent === real) {
    return true;
  }
  const { uid, mode } = fs.statSync(parent);
  return isOurs(uid) && ((mode & othersWrite) === 0 || (mode & sticky) !== 0) && isFixed(parent);
}

/** Whether nobody but root and this user can change a file, or put another in its place. */
export function isFixedFile(real: string): boolean {
  const { uid, mode } = fs.statSync(real);
  return isOurs(uid) && (mode & othersWrite) === 0 && isFixed(real);
}

/**
 * Whether a directory for sockets can be made in another one, where nobody can put another in its place: what others may
 * write to has to be sticky, as /tmp is.
 */
export function keepsEntries(directory: string): boolean {
  const { mode } = fs.statSync(directory);
  return (mode & othersWrite) === 0 || (mode & sticky) !== 0;
}

/**
 * The user that a socket belongs to, if that is neither this user nor root, and it lies where more than its owner could have
 * put it; undefined if it is to be trusted, or isn't there.
 */
export function strangerAt(socket: string): number | undefined {
  const found = fs.lstatSync(socket, { throwIfNoEntry: false });
  if (found === undefined || isOurs(found.uid)) {
    return undefined;
  }
  const { uid, mode } = fs.statSync(path.dirname(socket));
  const isPlaceOfOwner = (uid === found.uid || isOurs(uid)) && (mode & othersWrite) === 0;
  return isPlaceOfOwner ? undefined : found.uid;
}

function isOurs(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}
