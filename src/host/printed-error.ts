/** What a process has printed of an error that a code names. */
export interface PrintedError {
  /** May be none of today's codes: a plugin has a version of its own. */
  readonly code: string;
  readonly message: string;
}

/** Also where Node prints an error that nobody caught, which begins with the name of its class. */
const printedError = /^ {2}\| (?:Uncaught )?(?:\w*Error(?: \[\w+\])?: )?(?:\[\w+\] )?(PB-[A-Z-]+): (.*)$/gm;

/** What Node prints of a module that is missing or misspelt; the beginning of it may be cut off. */
const unloadable =
  /^ {2}\| [ \t]*((?:SyntaxError\b|Error(?: \[ERR_MODULE_NOT_FOUND\])?: Cannot find (?:module|package) |code: '(?:ERR_)?MODULE_NOT_FOUND').*)$/gm;

/** The errors in what a process has printed, as a message quotes it, each line after a bar: ours, then Node's of modules. */
export function printedErrors(quoted: string): readonly PrintedError[] {
  return [
    ...Array.from(quoted.matchAll(printedError), ([, code = "", message = ""]) => ({ code, message })),
    ...Array.from(quoted.matchAll(unloadable), ([, message = ""]) => ({ code: "PB-PLUGIN-MODULE", message })),
  ];
}
