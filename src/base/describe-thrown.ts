/** Longest chain of causes that is described. */
const maxCauses = 8;

/**
 * Tells of something that was thrown, whatever it is: of an error its stack, what it has beside that of Node's errors, and
 * its causes. What can't be looked at, as it throws itself, is told as such.
 */
export function describeThrown(thrown: unknown): string {
  const parts: string[] = [];
  let next: unknown = thrown;
  for (let depth = 0; depth < maxCauses && (depth === 0 || next !== undefined); depth++) {
    const { text, cause } = describeOne(next);
    parts.push(depth === 0 ? text : `caused by: ${text}`);
    next = cause;
  }
  return parts.join("\n");
}

function describeOne(thrown: unknown): { text: string; cause?: unknown } {
  try {
    if (!(thrown instanceof Error)) {
      return {
        text: `${typeof thrown === "object" || typeof thrown === "function" ? describeObject(thrown) : String(thrown)}`,
      };
    }
    const { name, message, stack, cause } = thrown;
    const told = `${name}: ${message}`;
    // Not every engine begins a stack with the message, and a message can be changed later.
    const text =
      typeof stack !== "string" || stack === "" ? told : stack.includes(message) ? stack : `${told}\n${stack}`;
    const code =
      "errorCode" in thrown || !("code" in thrown) || typeof thrown.code !== "string" ? "" : ` (${thrown.code})`;
    return { text: text.replace(/(?=\n|$)/, code), cause };
  } catch {
    return { text: "a value that can't be shown, as reading it throws" };
  }
}

function describeObject(value: object | null): string {
  return value === null ? "null" : (JSON.stringify(value) ?? Object.prototype.toString.call(value));
}
