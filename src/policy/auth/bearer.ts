import { Code } from "@connectrpc/connect";
import { isToken } from "../../call/messages/bearer-token.ts";
import { checkOptions } from "../../plugin/check-options.ts";
import type { Authenticate, Caller } from "./caller.ts";
import { denied } from "./denial.ts";
import { authError } from "./errors.ts";

/** The caller that a secret stands for. */
export interface BearerOptions {
  /** The caller's subject. Default: "bearer". */
  readonly subject?: string;
  /** The caller's scopes. Default: none. */
  readonly scopes?: readonly string[];
}

/** Shortest secret, in characters: of letters and digits that are random, so many are not guessed. */
const minSecretLength = 16;

/**
 * Knows a caller by a secret that it sends as its token. Of several secrets each is good, so that one can be replaced while
 * callers still have the other. It is compared in constant time.
 *
 * ```ts
 * export default edge(plugin, { auth: bearer(env.API_TOKEN) });
 * ```
 *
 * @throws PlugboardError PB-AUTH-SECRET if there is no secret, or one that is no good as such; PB-OPTION-UNKNOWN
 */
export function bearer(secrets: string | readonly string[], options: BearerOptions = {}): Authenticate {
  checkOptions<BearerOptions>("bearer()", options, { subject: true, scopes: true });
  const all = typeof secrets === "string" ? [secrets] : secrets;
  checkSecrets(all);
  const { subject = "bearer", scopes = [] } = options;
  const caller: Caller = { subject, scopes };
  /** Made with the first call: a Worker may not compute anything before. */
  let digests: Promise<readonly Uint8Array[]> | undefined;

  return async ({ token }) => {
    if (token === undefined) {
      return undefined;
    }
    digests ??= Promise.all(all.map(digest));
    const given = await digest(token);
    let found = 0;
    for (const each of await digests) {
      // All of them, whatever was found.
      found |= Number(equal(each, given));
    }
    if (found === 0) {
      throw denied("invalid_token", "the token is not valid", Code.Unauthenticated);
    }
    return caller;
  };
}

/** Programs without types, and variables that are not set, may give anything. */
function checkSecrets(secrets: readonly unknown[] | undefined) {
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw authError("PB-AUTH-SECRET", "bearer() was given no secret");
  }
  for (const secret of secrets) {
    if (typeof secret !== "string" || secret.length < minSecretLength) {
      throw authError("PB-AUTH-SECRET", `bearer() was given a secret of fewer than ${minSecretLength} characters`);
    }
    if (!isToken(secret)) {
      throw authError("PB-AUTH-SECRET", "bearer() was given a secret with characters that no header can carry", {
        hint: "Use letters, digits and other visible ASCII characters, without spaces.",
      });
    }
  }
}

/** Of one length whatever the text's, and without any likeness to it, so that comparing tells nothing of either. */
async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Takes as long wherever they differ. */
function equal(one: Uint8Array, other: Uint8Array): boolean {
  let difference = 0;
  for (let index = 0; index < one.length; index++) {
    difference |= (one[index] ?? 0) ^ (other[index] ?? 0);
  }
  return difference === 0;
}
