import { childError } from "./child/errors.ts";

/** An error with a code, as a process has printed it. */
export interface PrintedError {
  /** Any code: a plugin has a version of Plugboard of its own. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** The message and, on the next line, the hint. Node prints the name of its class before an error that was not caught. */
const printedError =
  /^ {2}\| (?:Uncaught )?(?:\w*Error(?: \[\w+\])?: )?(?:\[\w+\] )?(PB-[A-Z-]+): (.*)$(?:\n {2}\| (.*)$)?/gm;

/** The output of Node for a module that is missing or misspelt; the beginning of it may be cut off. */
const unloadable =
  /^ {2}\| [ \t]*((?:SyntaxError\b|Error(?: \[ERR_MODULE_NOT_FOUND\])?: Cannot find (?:module|package) |code: '(?:ERR_)?MODULE_NOT_FOUND').*)$/gm;

/** The errors in what a process has printed, as a message quotes it, each line after a bar: ours, then Node's of modules. */
export function printedErrors(quoted: string): readonly PrintedError[] {
  return [
    ...Array.from(quoted.matchAll(printedError), ([, code = "", message = "", hint = ""]) => ({ code, message, hint })),
    ...Array.from(quoted.matchAll(unloadable), ([, message = ""]) => ({
      code: "PB-PLUGIN-MODULE",
      message,
      hint: childError.definitions["PB-PLUGIN-MODULE"].hint,
    })),
  ];
}
