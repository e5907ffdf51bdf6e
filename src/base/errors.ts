import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorCode } from "./error-code.ts";

/** The Connect code and the hint of an error code. */
export interface ErrorDefinition {
  /** The Connect code that the error travels with, by its name, such as "InvalidArgument". */
  readonly code: keyof typeof Code;
  /** What to do about it, in whole sentences. A hint given where the error is raised replaces it. */
  readonly hint: string;
}

/** Options for an error beyond its code and message. */
export interface PlugboardErrorOptions {
  /** Replaces the code's own hint. */
  readonly hint?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** Makes errors of the codes that one call of defineErrors() has declared. */
export interface ErrorFactory<Codes extends string> {
  /**
   * Makes an error, to throw.
   * @param message What happened, and with what; without the code and without the hint, which are added.
   */
  (errorCode: Codes, message: string, options?: PlugboardErrorOptions): PlugboardError<Codes>;
  /** True for an error of these codes, or of `errorCode` alone if it is given. */
  is<One extends Codes>(value: unknown, errorCode?: One): value is PlugboardError<One>;
  readonly definitions: Readonly<Record<Codes, ErrorDefinition>>;
}

/**
 * Declares error codes, each with its Connect code and its hint, beside the code that raises them. Begin codes with the
 * name of your package: those of Plugboard begin with "PB-".
 *
 * ```ts
 * export const storeError = defineErrors({
 *   "STORE-LOCKED": { code: "Unavailable", hint: "Close the other program that has the file open." },
 * });
 *
 * throw storeError("STORE-LOCKED", `${path} is locked`, { cause });
 * ```
 *
 * Annotate the call as pure, as Plugboard's own are: a bundler then leaves it out of a bundle that raises none of its errors.
 */
export function defineErrors<const Codes extends string>(
  definitions: Readonly<Record<Codes, ErrorDefinition>>,
): ErrorFactory<Codes> {
  const create = (errorCode: Codes, message: string, options?: PlugboardErrorOptions) =>
    new PlugboardError(errorCode, Code[definitions[errorCode].code], message, {
      hint: definitions[errorCode].hint,
      ...options,
    });
  const is = <One extends Codes>(value: unknown, errorCode?: One): value is PlugboardError<One> =>
    value instanceof PlugboardError &&
    (errorCode === undefined ? Object.hasOwn(definitions, value.errorCode) : value.errorCode === errorCode);
  return Object.assign(create, { is, definitions });
}

/**
 * An error that Plugboard or a package of it raises, as opposed to one that a plugin's handler raised. `errorCode` is
 * stable and meant for programs, the message says what happened, `hint` says what to do next.
 *
 * `name` stays "ConnectError": Connect recognizes its errors by that name, so that several copies of it can work together.
 */
export class PlugboardError<Codes extends string = string> extends ConnectError {
  readonly errorCode: Codes;
  readonly hint: string;

  /** Called by the factories of defineErrors(). */
  constructor(
    errorCode: Codes,
    code: Code,
    message: string,
    { hint, cause }: PlugboardErrorOptions & { hint: string },
  ) {
    super(`${errorCode}: ${message}\n${hint}`, code, undefined, undefined, cause);
    this.errorCode = errorCode;
    this.hint = hint;
    // Printed, as Node does with an uncaught error, it shows the message once, and no internals of Connect.
    for (const name of Object.keys(this).filter((each) => each !== "errorCode")) {
      Object.defineProperty(this, name, { enumerable: false });
    }
  }

  /** Without this, Connect's own test would take every ConnectError for a PlugboardError. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof ConnectError && "errorCode" in value && "hint" in value;
  }
}

/** True for a PlugboardError of any package. */
export function isPlugboardError(value: unknown): value is PlugboardError;
/** True for a PlugboardError with this code of the core. For those of a package, use the factory that it exports. */
export function isPlugboardError<One extends ErrorCode>(value: unknown, errorCode: One): value is PlugboardError<One>;
export function isPlugboardError(value: unknown, errorCode?: string): value is PlugboardError {
  return value instanceof PlugboardError && (errorCode === undefined || value.errorCode === errorCode);
}
