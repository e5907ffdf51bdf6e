import { printableLine } from "../base/printable.ts";

/** Characters of a name that an error repeats at most. */
const maxMethodLength = 200;

/**
 * The error message for a method that does not exist, the same over every route.
 * @param path As in "/package.Service/Method".
 */
export function noSuchMethodMessage(path: string): string {
  return `no such method: ${printableLine(path.slice(0, maxMethodLength))}`;
}
