import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { isPlugboardError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";

/** The last reading of the files. */
interface Followed<Parts> {
  /** The files' state before they were read. */
  readonly state: string;
  readonly parts: Promise<Parts>;
}

/**
 * Has certificates and keys read again when their files have changed: written anew, replaced by others, or reached by links
 * that lead elsewhere now, as Kubernetes does it. Looked at whenever they are needed, which is once for each connection. If
 * the new ones can't be used, the log says so once, and the previous ones are kept.
 * @param read Reads and checks them all.
 * @returns Gives those that count now; throws what `read` throws as long as there were none.
 */
export function followFiles<Parts extends object>(
  read: (named: Parts) => Promise<Parts>,
): (named: Parts) => Promise<Parts> {
  const all = new WeakMap<Parts, Followed<Parts>>();
  return async (named) => {
    const state = await stateOf(Object.values(named).filter(isFile));
    const last = all.get(named);
    if (last?.state === state) {
      return last.parts;
    }
    const parts = last === undefined ? read(named) : read(named).catch((error: unknown) => keep(error, last.parts));
    all.set(named, { state, parts });
    parts.catch(() => all.delete(named));
    return parts;
  };
}

function keep<Parts>(error: unknown, parts: Promise<Parts>): Promise<Parts> {
  const reason = isPlugboardError(error) ? error.rawMessage : String(error);
  log("ERROR", `the changed certificates can't be used; keeping the previous ones: ${reason}`);
  return parts;
}

function isFile(part: unknown): part is string {
  return typeof part === "string" && /^file:\/\//i.test(part);
}

/** Tells of files whether they are still the same: a text that differs if not. */
async function stateOf(urls: readonly string[]): Promise<string> {
  const states = await Promise.all(
    urls.map(async (url) => {
      try {
        const { dev, ino, size, mtimeNs, ctimeNs } = await stat(fileURLToPath(url), { bigint: true });
        return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
      } catch (error) {
        return String(error);
      }
    }),
  );
  return states.join("\n");
}
