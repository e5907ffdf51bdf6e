import { PlugboardError } from "../plugin/errors.ts";

const isText = (value: unknown): boolean => typeof value === "string";
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isRecordOfTexts = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(isText);

/** What each has to be: commands come from files, and callers in JavaScript have no types. */
const checks = {
  command: [(value) => isTexts(value) && (value as readonly string[]).length > 0, "a list of texts, the program first"],
  cwd: [isText, "a text"],
  env: [isRecordOfTexts, "a record of texts"],
  inheritEnv: [(value) => value === true || isTexts(value), "true, or a list of names"],
  compileCache: [(value) => typeof value === "boolean", "true or false"],
  sha256: [isText, "a text"],
  startTimeoutMs: [(value) => typeof value === "number" && value >= 0, "a number of milliseconds"],
  onOutput: [(value) => typeof value === "function", "a function"],
  onLog: [(value) => typeof value === "function", "a function"],
} as const satisfies Record<string, readonly [(value: unknown) => boolean, string]>;

/**
 * Checks options before anything is made for them.
 * @throws PlugboardError PB-LAUNCH-OPTION
 */
export function checkLoadOptions(options: { readonly [Name in keyof typeof checks]?: unknown }): void {
  for (const name of Object.keys(checks) as (keyof typeof checks)[]) {
    const [fits, wanted] = checks[name];
    const value = options[name];
    if (value === undefined ? name === "command" : !fits(value)) {
      // Not the value: there may be secrets in it.
      throw new PlugboardError("PB-LAUNCH-OPTION", `the option ${name} of host.load is not ${wanted}`);
    }
  }
}
