import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { isOwn } from "../node/own-place.ts";
import type { Plugin } from "../plugin/define-plugin.ts";

/** A plugin's output for a user who just runs it: what it is, and how to run it. Three lines. */
export function usage({ name, version }: Plugin): string {
  const script = path.relative(process.cwd(), process.argv[1] ?? "plugin.js");
  const command = ["node", ...process.execArgv, script];
  return [
    `${name} ${version} is a Plugboard plugin. A host starts it; run by hand, it needs an address to listen on.`,
    `From a program:  await new Host().load({ command: ${JSON.stringify(command)} })`,
    `Standing alone:  ${[...command, "--listen", `unix:${path.join(placeForSocket(), `${name}.sock`)}`].map(shellWord).join(" ")}`,
    "",
  ].join("\n");
}

/** A directory in which no other user can make the plugin's socket first. */
function placeForSocket(): string {
  const places = [process.env.XDG_RUNTIME_DIR, os.tmpdir(), os.homedir()];
  return (
    places.find((place) => place !== undefined && path.isAbsolute(place) && isOwnDirectory(place)) ?? process.cwd()
  );
}

function isOwnDirectory(place: string): boolean {
  const found = fs.statSync(place, { throwIfNoEntry: false });
  return found !== undefined && isOwn(found);
}

/** A word as a shell takes it. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
