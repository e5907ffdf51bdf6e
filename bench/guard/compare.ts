/** A row that has lost more than this part of its recorded ratio fails. */
export const allowedLoss = 1 / 3;

/** Ratios of ours to a peer's by the name of their row; more is better. */
export type Ratios = Readonly<Record<string, number>>;

/** A row beside its record. */
export type Verdict =
  | { readonly row: string; readonly kind: "kept" | "lost"; readonly recorded: number; readonly measured: number }
  | { readonly row: string; readonly kind: "missing"; readonly recorded: number }
  | { readonly row: string; readonly kind: "new"; readonly measured: number };

/** Compares what was measured with the record, row by row: first in the order of the record, then what is new. */
export function compare(recorded: Ratios, measured: Ratios): readonly Verdict[] {
  const known = Object.entries(recorded).map(([row, then]): Verdict => {
    const now = measured[row];
    if (now === undefined || !Number.isFinite(now)) {
      return { row, kind: "missing", recorded: then };
    }
    return { row, kind: now < then * (1 - allowedLoss) ? "lost" : "kept", recorded: then, measured: now };
  });
  const added = Object.entries(measured)
    .filter(([row, now]) => !(row in recorded) && Number.isFinite(now))
    .map(([row, now]): Verdict => ({ row, kind: "new", measured: now }));
  return [...known, ...added];
}

/** Says what became of a row; of one that fails, also the command that looks closer at it. */
export function formatVerdict(verdict: Verdict, command: string): string {
  switch (verdict.kind) {
    case "kept":
      return `kept     ${verdict.row}: ${change(verdict.recorded, verdict.measured)}`;
    case "lost":
      return `LOST     ${verdict.row}: ${change(verdict.recorded, verdict.measured)}; a third is allowed. Look closer: ${command}`;
    case "missing":
      return `MISSING  ${verdict.row}: ${format(verdict.recorded)} recorded, not measured. Look closer: ${command}`;
    case "new":
      return `new      ${verdict.row}: ${format(verdict.measured)}, not recorded yet`;
  }
}

/** True if the row fails the check. */
export function fails({ kind }: Verdict): boolean {
  return kind === "lost" || kind === "missing";
}

function change(recorded: number, measured: number): string {
  const percent = Math.round((measured / recorded - 1) * 100);
  return `${format(recorded)} recorded, ${format(measured)} measured (${percent >= 0 ? "+" : ""}${percent}%)`;
}

function format(value: number): string {
  return String(Number(value.toPrecision(3)));
}
