import { renameSync, rmSync, writeFileSync } from "node:fs";

/** Replaces a file in one step, so that one who is interrupted leaves the old or the new; not if nothing changes. */
export function replaceFile(file: string, present: string | undefined, fresh: string): void {
  if (fresh === present) {
    return;
  }
  const beside = `${file}.new`;
  // Left by one that was interrupted.
  rmSync(beside, { force: true });
  writeFileSync(beside, fresh, { flag: "wx" });
  renameSync(beside, file);
}
