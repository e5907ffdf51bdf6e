import { printableLine } from "../base/printable.ts";
import { pluginError } from "./errors.ts";

/** The names of options, kept in step with their type: each name of it, and no other. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Refuses options that would have no effect.
 * @param where The function or option that takes them, for the message: "connect()", or the name of the option.
 * @param names The keys are the names.
 * @throws PlugboardError PB-OPTION-UNKNOWN whose hint has the nearest name
 */
export function checkOptions<Options extends object>(
  where: string,
  options: Partial<Options> | undefined,
  names: Readonly<Record<keyof Options, unknown>>,
): void {
  for (const name of Object.keys(options ?? {})) {
    if (!Object.hasOwn(names, name)) {
      const known = Object.keys(names);
      const nearest = known.map((each) => [distance(name, each), each] as const).sort(([a], [b]) => a - b)[0];
      const isNear = nearest !== undefined && nearest[0] <= Math.max(2, name.length / 3);
      throw pluginError("PB-OPTION-UNKNOWN", `${where} has no option ${JSON.stringify(printableLine(name))}`, {
        hint: isNear ? `Did you mean \`${nearest[1]}\`?` : `It has ${known.join(", ")}.`,
      });
    }
  }
}

/** Letters to change, add or leave out to turn one name into the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a.slice(0, 40)].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const [replaced = 0, left = 0, added = 0] = [row[j], row[j + 1], next[j]];
      next.push(Math.min(replaced + (letter === other ? 0 : 1), left + 1, added + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
