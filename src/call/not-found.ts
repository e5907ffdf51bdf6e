import { printableLine } from "../base/printable.ts";

/** How much of a name is repeated, in characters. */
const maxMethodLength = 200;

/**
 * What a caller is told who asks for a method that is not there, the same over every route.
 * @param path As in "/package.Service/Method".
 */
export function noSuchMethodMessage(path: string): string {
  return `no such method: ${printableLine(path.slice(0, maxMethodLength))}`;
}
