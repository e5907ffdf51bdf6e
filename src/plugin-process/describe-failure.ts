import { isPlugboardError } from "../base/errors.ts";

/**
 * The output for an error that kept a plugin from starting. Our own errors say all in their message; those of the
 * plugin's code need their stack.
 */
export function describeFailure(error: unknown): string {
  if (!isPlugboardError(error)) {
    return stacksOf(error);
  }
  const ofPlugin = error.errorCode === "PB-PLUGIN-START" || error.errorCode === "PB-PLUGIN-ROUTES";
  return ofPlugin ? `${error.rawMessage}\nCaused by: ${stacksOf(error.cause)}` : error.rawMessage;
}

/** The stack of an error and of its causes, but not their properties: there could be secrets in them. */
function stacksOf(error: unknown): string {
  const seen = new Set<unknown>();
  const stacks: string[] = [];
  for (let each = error; each !== undefined && !seen.has(each); each = each instanceof Error ? each.cause : undefined) {
    seen.add(each);
    stacks.push(each instanceof Error ? (each.stack ?? String(each)) : String(each));
  }
  return stacks.join("\nCaused by: ");
}
