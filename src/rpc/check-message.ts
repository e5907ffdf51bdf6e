import type { DescField, DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, ScalarType } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Makes sure that the values of a message are of the types that its contract says. protobuf-es's own writer does not: it
 * writes the number 5 as the text "5", and anything as a boolean.
 * @throws TypeError that names the field
 */
export function checkMessage(schema: DescMessage, message: unknown): void {
  const problem = checkerOf(schema)(message);
  if (problem !== undefined) {
    throw new TypeError(problem);
  }
}

/**
 * A caller's message, as one of its type.
 * @throws ConnectError internal if it is none
 */
export function requestMessage<I extends DescMessage>(schema: I, input: MessageInitShape<I>): MessageShape<I> {
  try {
    const message = create(schema, input);
    checkMessage(schema, message);
    return message;
  } catch (error) {
    throw cannotEncode(schema, error);
  }
}

/** What a call fails with whose caller's message is not of its type. */
export function cannotEncode({ typeName }: DescMessage, error: unknown): ConnectError {
  const why = error instanceof Error ? error.message : String(error);
  return new ConnectError(`cannot encode ${typeName}: ${why}`, Code.Internal, undefined, undefined, error);
}

/** Says what is wrong with a value, if something is. */
type Check = (value: unknown) => string | undefined;

type Fields = Readonly<Record<string, unknown>>;

const checkers = new WeakMap<DescMessage, Check>();

function checkerOf(schema: DescMessage): Check {
  let known = checkers.get(schema);
  if (known === undefined) {
    known = createChecker(schema);
    checkers.set(schema, known);
  }
  return known;
}

function createChecker(schema: DescMessage): Check {
  const inField = (field: DescField): Check => {
    const check = checkField(field);
    return (value) => {
      const problem = check(value);
      return problem && `${schema.typeName}.${field.name}: ${problem}`;
    };
  };
  const fields = schema.fields
    .filter((field) => field.oneof === undefined)
    .map((field) => ({ name: field.localName, check: inField(field) }));
  const oneofs = schema.oneofs.map((oneof) => ({
    name: oneof.localName,
    checkOf: new Map(oneof.fields.map((field) => [field.localName, inField(field)])),
  }));
  return (message) => {
    if (typeof message !== "object" || message === null) {
      return `${schema.typeName}: expected a message, got ${kindOf(message)}`;
    }
    for (const { name, check } of fields) {
      const value = (message as Fields)[name];
      const problem = value === undefined ? undefined : check(value);
      if (problem !== undefined) {
        return problem;
      }
    }
    for (const { name, checkOf } of oneofs) {
      const member = (message as Fields)[name] as { readonly case?: string; readonly value?: unknown } | undefined;
      const problem = member?.case === undefined ? undefined : checkOf.get(member.case)?.(member.value);
      if (problem !== undefined) {
        return problem;
      }
    }
    return undefined;
  };
}

function checkField(field: DescField): Check {
  switch (field.fieldKind) {
    case "list": {
      const check = field.message ? checkChild(field.message) : checkScalar(field.scalar);
      return (value) => (Array.isArray(value) ? firstProblem(value, check) : expected("a list", value));
    }
    case "map": {
      const check = field.message ? checkChild(field.message) : checkScalar(field.scalar);
      return (value) =>
        typeof value === "object" && value !== null
          ? firstProblem(Object.values(value), check)
          : expected("a record", value);
    }
    case "message":
      return checkChild(field.message);
    case "enum":
      return checkScalar(undefined);
    case "scalar":
      return checkScalar(field.scalar);
  }
}

function firstProblem(values: readonly unknown[], check: Check): string | undefined {
  for (const value of values) {
    const problem = check(value);
    if (problem !== undefined) {
      return problem;
    }
  }
  return undefined;
}

function checkChild(schema: DescMessage): Check {
  if (schema.typeName.startsWith("google.protobuf.")) {
    // Wrappers and Struct stand for values of another shape where they are fields.
    return () => undefined;
  }
  // Looked up late, as messages can hold messages of their own type.
  return (value) => checkerOf(schema)(value);
}

/** `undefined` stands for an enum, which travels as an int32. */
function checkScalar(scalar: ScalarType | undefined): Check {
  switch (scalar) {
    case ScalarType.STRING:
      return (value) => (typeof value === "string" ? undefined : expected("a text", value));
    case ScalarType.BYTES:
      return (value) => (value instanceof Uint8Array ? undefined : expected("a Uint8Array", value));
    case ScalarType.BOOL:
      return (value) => (typeof value === "boolean" ? undefined : expected("a boolean", value));
    case undefined:
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return (value) => (typeof value === "number" && (value | 0) === value ? undefined : expected("an int32", value));
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return (value) => (typeof value === "number" && value >>> 0 === value ? undefined : expected("a uint32", value));
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return (value) => (isWhole(value) ? undefined : expected("a whole number of 64 bits", value));
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (value) => (typeof value === "number" ? undefined : expected("a number", value));
  }
}

/** 64-bit numbers have several forms; protobuf-es's writer sees to their range. */
function isWhole(value: unknown): boolean {
  return (
    typeof value === "bigint" || Number.isSafeInteger(value) || (typeof value === "string" && /^-?\d+$/.test(value))
  );
}

function expected(what: string, value: unknown): string {
  return `expected ${what}, got ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  switch (typeof value) {
    case "number":
      return `the number ${value}`;
    case "object":
      return value === null ? "null" : "an object";
    default:
      return `a ${typeof value}`;
  }
}
