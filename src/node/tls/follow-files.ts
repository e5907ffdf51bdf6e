import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { isPlugboardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { isFile } from "./read-pem.ts";

/**
 * Has certificates and keys read again when their files have changed: written anew, replaced by others, or reached by links
 * that lead elsewhere now, as Kubernetes does it. Looked at whenever they are needed, which is once for each connection. If
 * the new ones can't be used, the log says so once, and the previous ones are kept.
 * @param given PEM texts, and file:// URLs of files that hold them.
 * @param read Reads and checks them all.
 * @param log Gets a line when changed files can't be used.
 * @returns Gives those that count now; throws what `read` throws as long as there were none.
 */
export function followFiles<Pem>(given: readonly string[], read: () => Promise<Pem>, log: Log): () => Promise<Pem> {
  const files = given.filter(isFile);
  /** The last reading of the files, and their state before it. */
  let last: { readonly state: string; readonly pem: Promise<Pem> } | undefined;
  return async () => {
    const state = await stateOf(files);
    if (last?.state === state) {
      return last.pem;
    }
    const previous = last?.pem;
    const pem = previous === undefined ? read() : read().catch((error: unknown) => keep(error, previous, log));
    const current = { state, pem };
    last = current;
    pem.catch(() => {
      last = last === current ? undefined : last;
    });
    return pem;
  };
}

function keep<Pem>(error: unknown, previous: Promise<Pem>, log: Log): Promise<Pem> {
  const reason = isPlugboardError(error) ? error.rawMessage : String(error);
  log.line("ERROR", `the changed certificates can't be used; keeping the previous ones: ${reason}`);
  return previous;
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
