import type { Count } from "./statements.ts";

/** Raises floors to what was reached, in whole per cents; none is ever lowered, and a new group begins where it stands. */
export function raised(
  floors: Readonly<Record<string, number>>,
  groups: ReadonlyMap<string, Count>,
): Readonly<Record<string, number>> {
  const reached = [...groups].map(([group, { ran, all }]) => [group, Math.floor((100 * ran) / all)] as const);
  return { ...floors, ...Object.fromEntries(reached.filter(([group, percent]) => percent > (floors[group] ?? 0))) };
}
