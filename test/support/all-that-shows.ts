import { inspect } from "node:util";

/** All that is to be seen of a value, by whatever writes values into a log: each object in it once, however deep it is. */
export function allThatShows(value: unknown): string {
  const shown = [inspect(value, { showHidden: true, getters: true }), json(value), String(value)];
  return [...shown, ...textsIn(value, new Set())].join("\n");
}

/** A circular value can't be written as JSON. */
function json(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) {
      throw error;
    }
    return undefined;
  }
}

function* textsIn(value: unknown, seen: Set<unknown>): Generator<string> {
  if (typeof value === "string") {
    yield value;
  }
  if (typeof value !== "object" || value === null || seen.has(value)) {
    return;
  }
  seen.add(value);
  if (value instanceof Map || value instanceof Set || value instanceof Headers) {
    yield* textsIn([...value], seen);
  }
  for (const key of Reflect.ownKeys(value)) {
    yield String(key);
    yield* textsIn(read(value, key), seen);
  }
}

/** Of a getter that throws, there is nothing to be seen. */
function read(object: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(object, key);
  } catch {
    return undefined;
  }
}
