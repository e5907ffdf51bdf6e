import type { Count } from "./statements.ts";

/** What a group reaches differs from run to run by less than that, in per cent. */
const spread = 0.5;

/** Raises floors to what every run reaches, in whole per cents; none is ever lowered, and a new group begins where it stands. */
export function raised(
  floors: Readonly<Record<string, number>>,
  groups: ReadonlyMap<string, Count>,
): Readonly<Record<string, number>> {
  const reached = [...groups].map(([group, { ran, all }]) => [group, Math.floor((100 * ran) / all - spread)] as const);
  return { ...floors, ...Object.fromEntries(reached.filter(([group, percent]) => percent > (floors[group] ?? 0))) };
}
