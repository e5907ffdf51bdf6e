import { backtracking } from "./backtracking.ts";
import { dynamicCode } from "./dynamic-code.ts";
import { emptyCatch } from "./empty-catch.ts";
import { fileWrites } from "./file-writes.ts";
import { paths } from "./paths.ts";
import { plainHttp } from "./plain-http.ts";
import type { Scan } from "./scan.ts";
import { secrets } from "./secrets.ts";
import { shell } from "./shell.ts";
import { temporaryNames } from "./temporary-names.ts";
import { tls } from "./tls.ts";
import { unbounded } from "./unbounded.ts";

/** For what runs on our own machines only, with our own input. */
const everywhere: readonly Scan[] = [dynamicCode, emptyCatch, secrets, shell, temporaryNames];
/** For what users run. */
const published: readonly Scan[] = [...everywhere, backtracking, fileWrites, paths, plainHttp, tls, unbounded];

/** The scans of a module by where it lies; none for what is no module. Tests attack, and make up secrets. */
export function scansOf(file: string): readonly Scan[] {
  if (!/\.(?:[cm]?[jt]s)$/.test(file)) {
    return [];
  }
  if (/(?:^|\/)test\//.test(file)) {
    return [];
  }
  return /^(?:src|packages|examples|workers)\//.test(file) ? published : everywhere;
}
