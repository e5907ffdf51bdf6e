import type { DescField, DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
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

/** The error of a call whose caller's message is not of its type. */
export function cannotEncode({ typeName }: DescMessage, error: unknown): ConnectError {
  const why = error instanceof Error ? error.message : String(error);
  return new ConnectError(`cannot encode ${typeName}: ${why}`, Code.Internal, undefined, undefined, error);
}

/** Says what is wrong with a value, if something is. */
type Check = (value: unknown) => string | undefined;

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
    .map((field) => ({ name: field.localName, optional: hasPresence(field), check: inField(field) }));
  const oneofs = schema.oneofs.map((oneof) => ({
    name: oneof.localName,
    checkOf: new Map<unknown, Check>(oneof.fields.map((field) => [field.localName, inField(field)])),
  }));
  return (message) => {
    if (!isObject(message)) {
      return `${schema.typeName}: ${expected("a message", message)}`;
    }
    if (message["$typeName"] !== schema.typeName) {
      return `${schema.typeName}: expected a message of this type, made by create()`;
    }
    for (const { name, optional, check } of fields) {
      const value = message[name];
      const problem = value === undefined && optional ? undefined : check(value);
      if (problem !== undefined) {
        return problem;
      }
    }
    for (const { name, checkOf } of oneofs) {
      const member = message[name];
      if (!isObject(member)) {
        return `${schema.typeName}.${name}: ${expected("a case and its value", member)}`;
      }
      const problem = checkOf.get(member["case"])?.(member["value"]);
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
      return (value) => (isMap(value) ? firstProblem(Object.values(value), check) : expected("a record", value));
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
      return (value) => (isText(value) ? undefined : expected("a string", value));
    case ScalarType.BYTES:
      return (value) => (isBytes(value) ? undefined : expected("a Uint8Array", value));
    case ScalarType.BOOL:
      return (value) => (isBoolean(value) ? undefined : expected("a boolean", value));
    case undefined:
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return (value) => (isInt32(value) ? undefined : expected("an int32", value));
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return (value) => (isUint32(value) ? undefined : expected("a uint32", value));
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return (value) => (isWhole(value) ? undefined : expected("a whole number of 64 bits", value));
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (value) => (isNumber(value) ? undefined : expected("a number", value));
  }
}

/** True if a field can be `undefined`. Where one can't, protobuf-es's writer writes the text "undefined", or fails. */
export function hasPresence(field: DescField): boolean {
  return (
    field.fieldKind !== "list" && field.fieldKind !== "map" && field.presence !== FeatureSet_FieldPresence.IMPLICIT
  );
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** True for a plain record, as a map field holds. Of a `Map` and its like, nothing would be written. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && !(Symbol.iterator in value);
}

export function isText(value: unknown): value is string {
  return typeof value === "string";
}

export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

export function isInt32(value: unknown): value is number {
  return typeof value === "number" && (value | 0) === value;
}

export function isUint32(value: unknown): value is number {
  return typeof value === "number" && value >>> 0 === value;
}

export function isNumber(value: unknown): value is number {
  return typeof value === "number";
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
    case "undefined":
      return "undefined";
    default:
      return `a ${typeof value}`;
  }
}
