/** What a process has printed of an error of ours. */
export interface PrintedError {
  /** May be none of today's codes: a plugin has a version of its own. */
  readonly code: string;
  readonly message: string;
}

/** Also where Node prints an error that nobody caught, which begins with the name of its class. */
const printedError = /^ {2}\| (?:Uncaught )?(?:\w*Error(?: \[\w+\])?: )?(?:\[\w+\] )?(PB-[A-Z-]+): (.*)$/gm;

/** The errors of ours in what a process has printed, as a message quotes it: each line after a bar. */
export function printedErrors(quoted: string): readonly PrintedError[] {
  return Array.from(quoted.matchAll(printedError), ([, code = "", message = ""]) => ({ code, message }));
}
