import * as fs from "node:fs";
import * as path from "node:path";

/** Bits of a mode that let a group or others do anything. */
const othersAct = 0o077;
/** Those that let them write. */
const othersWrite = 0o022;
const sticky = 0o1000;

/** True if something belongs to this user, and only root may write to it besides. */
export function isOwn({ uid, mode }: fs.Stats): boolean {
  return uid === process.geteuid?.() && (mode & othersWrite) === 0;
}

/** True if only root and this user have any rights to a directory. */
export function isPrivate(directory: string): boolean {
  const found = fs.statSync(directory, { throwIfNoEntry: false });
  return found !== undefined && isOwn(found) && (found.mode & othersAct) === 0;
}

/**
 * True if only root and this user can put something else in place of a file or directory: all directories above it
 * belong to either, and are writable for no one else, or sticky.
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

/** True if only root and this user can change a file, or put another in its place. */
export function isFixedFile(real: string): boolean {
  const { uid, mode } = fs.statSync(real);
  return isOurs(uid) && (mode & othersWrite) === 0 && isFixed(real);
}

/**
 * True if a directory for sockets can be made in another one, and no other user can put another in its place: a
 * directory that others may write to has to be sticky, as /tmp is.
 */
export function keepsEntries(directory: string): boolean {
  const { mode } = fs.statSync(directory);
  return (mode & othersWrite) === 0 || (mode & sticky) !== 0;
}

/**
 * The user that a socket belongs to, if that is neither this user nor root, and others could have put it there; undefined if
 * it is to be trusted, or isn't there.
 */
export function strangerAt(socket: string): number | undefined {
  const found = fs.statSync(socket, { throwIfNoEntry: false });
  return found === undefined || isOurs(found.uid) || isPlaceOf(found.uid, socket) ? undefined : found.uid;
}

/**
 * True if only root, this user and one more can put anything at a path, or on the way there. The sticky bit doesn't
 * count: it keeps what is there, and anybody can be the first with a name.
 */
function isPlaceOf(owner: number, file: string): boolean {
  const names = (path.isAbsolute(file) ? file : `${process.cwd()}/${file}`).split("/");
  let links = 0;
  let directory = "/";
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const { uid, mode } = fs.statSync(directory);
    if (!(isOurs(uid) || uid === owner) || (mode & othersWrite) !== 0) {
      return false;
    }
    // allowed paths: goes where the system would, to see whose directories those are. Nothing is opened.
    const entry = path.join(directory, name);
    if (!fs.lstatSync(entry).isSymbolicLink()) {
      directory = entry;
      continue;
    }
    links += 1;
    if (links > maxLinks) {
      return false;
    }
    const target = fs.readlinkSync(entry);
    names.unshift(...target.split("/"));
    directory = path.isAbsolute(target) ? "/" : directory;
  }
  return true;
}

/** Links that Linux follows in one path. */
const maxLinks = 40;

function isOurs(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}
