import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { isOwn } from "../node/own-place.ts";
import type { Plugin } from "../plugin/define-plugin.ts";

// Apart from serve(): text for people, which a host never sees.

/** A plugin's output for a user who just runs it: what it is, and how to run and call it. */
export function usage({ name, version }: Plugin): string {
  const command = ["node", ...process.execArgv, scriptFromHere()];
  // What npx has run is not the `node` of the shell.
  const byHand = process.env.npm_command === "exec" ? ["npx", ...command] : command;
  const address = `unix:${placeForSocket()}/${name}.sock`;
  return [
    `${name} ${version} is a Plugboard plugin. Other programs call it: the one that starts it, or all that know its address.`,
    `In TypeScript:  import { Host } from "plugboard/node"; await new Host().load({ command: ${JSON.stringify(command)} });`,
    `By hand:        ${[...byHand, "--listen", address].map(shellWord).join(" ")}`,
    "                The variable PLUGIN_SERVER_ENDPOINT says where to listen, too; tcp:127.0.0.1:4000 is a port.",
    `Then call it:   import { connect } from "plugboard/node"; await connect(${JSON.stringify(address)});`,
    "",
  ].join("\n");
}

/** The script as it is named from the working directory, if it lies below that. */
function scriptFromHere(): string {
  const script = process.argv[1] ?? "plugin.js";
  const fromHere = path.relative(process.cwd(), script);
  return /^\.\.(?:\/|$)/.test(fromHere) ? script : fromHere;
}

/** A directory in which no other user can make the plugin's socket first. */
function placeForSocket(): string {
  const elsewhere = [process.env.XDG_RUNTIME_DIR, os.tmpdir(), os.homedir()];
  const places = [".", ...elsewhere.filter((place) => place !== undefined && path.isAbsolute(place))];
  return places.find((place) => place !== undefined && isOwnDirectory(place)) ?? ".";
}

function isOwnDirectory(place: string): boolean {
  const found = fs.statSync(place, { throwIfNoEntry: false });
  return found !== undefined && isOwn(found);
}

/** A word as a shell takes it. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
