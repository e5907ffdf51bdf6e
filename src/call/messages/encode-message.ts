import type { DescField, DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, ScalarType, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Edition } from "@bufbuild/protobuf/wkt";
import {
  cannotEncode,
  checkMessage,
  hasPresence,
  isBoolean,
  isBytes,
  isInt32,
  isObject,
  isText,
  isUint32,
} from "./check-message.ts";

/**
 * Serialises a message into memory that is its alone, byte for byte as protobuf-es's toBinary does, but with one writer of that
 * library for all messages, where toBinary makes one for each. It knows messages of proto3 with the common kinds of fields;
 * toBinary does the rest.
 */
export function encodeMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Uint8Array {
  const write = writerOf(schema);
  const members = message as Members;
  if (write === undefined || !isPlainInstance(schema, members)) {
    return checkedBinary(schema, message);
  }
  try {
    write(shared, members);
  } catch {
    shared = new BinaryWriter();
    // It fails on the same, and names the field.
    return checkedBinary(schema, message);
  }
  const bytes = shared.finish();
  if (bytes.byteLength > maxKeptBytes) {
    // One large message is no reason to keep that much for ever.
    shared = new BinaryWriter();
  }
  return bytes;
}

function checkedBinary<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Uint8Array {
  checkMessage(schema, message);
  return toBinary(schema, message);
}

type Members = { readonly $typeName?: unknown; readonly $unknown?: readonly unknown[] } & Readonly<
  Record<string, unknown>
>;

type Write = (writer: BinaryWriter, message: Members) => void;

/** Largest message whose memory is kept for the next, in bytes. */
const maxKeptBytes = 1024 * 1024;

let shared = new BinaryWriter();

/** `undefined` stands for a schema that toBinary has to deal with. */
const writers = new WeakMap<DescMessage, { readonly write: Write | undefined }>();

function writerOf(schema: DescMessage): Write | undefined {
  let known = writers.get(schema);
  if (known === undefined) {
    known = { write: compile(schema) };
    writers.set(schema, known);
  }
  return known.write;
}

function isPlainInstance({ typeName }: DescMessage, message: Members): boolean {
  return message.$typeName === typeName && (message.$unknown === undefined || message.$unknown.length === 0);
}

function compile(schema: DescMessage): Write | undefined {
  // In other editions, fields can have defaults and forms of their own.
  if (schema.file.edition !== Edition.EDITION_PROTO3) {
    return undefined;
  }
  const fields = schema.fields.toSorted((a, b) => a.number - b.number).map(compileField);
  if (!fields.every((write) => write !== undefined)) {
    return undefined;
  }
  return (writer, message) => {
    for (const write of fields) {
      write(writer, message);
    }
  };
}

/** Some of Google's own types stand for values of another shape where they are fields. */
function compileField(field: DescField): Write | undefined {
  const { localName: name, number } = field;
  if (field.message?.typeName.startsWith("google.protobuf.")) {
    return undefined;
  }
  if (field.fieldKind === "message") {
    return whenSet(field, writeChild(number, field.message), undefined);
  }
  if (field.fieldKind === "list" && field.listKind === "message") {
    const write = writeChild(number, field.message);
    return (writer, message) => {
      const items = message[name];
      if (!Array.isArray(items)) {
        throw misfit;
      }
      for (const item of items) {
        write(writer, item);
      }
    };
  }
  if (field.fieldKind !== "scalar" && field.fieldKind !== "enum") {
    return undefined;
  }
  const scalar = field.fieldKind === "enum" ? ScalarType.INT32 : field.scalar;
  const write = writeScalar(number, scalar);
  return write && whenSet(field, write, zeroOf(scalar));
}

type WriteValue = (writer: BinaryWriter, value: unknown) => void;

/** Members that are not set are left out: those with presence if they are undefined, others if they are zero. */
function whenSet(
  field: DescField & { fieldKind: "message" | "scalar" | "enum" },
  write: WriteValue,
  zero: string | boolean | number | undefined,
): Write {
  const { localName: name, oneof } = field;
  if (oneof !== undefined) {
    return (writer, message) => {
      const member = message[oneof.localName];
      if (!isObject(member)) {
        throw misfit;
      }
      if (member["case"] === name) {
        write(writer, member["value"]);
      }
    };
  }
  const unset = hasPresence(field) ? undefined : zero;
  if (field.scalar === ScalarType.BYTES && !hasPresence(field)) {
    return (writer, message) => {
      const value = message[name];
      if (!isBytes(value) || value.byteLength > 0) {
        write(writer, value);
      }
    };
  }
  return (writer, message) => {
    const value = message[name];
    if (value !== unset) {
      write(writer, value);
    }
  };
}

function zeroOf(scalar: ScalarType): string | boolean | number {
  switch (scalar) {
    case ScalarType.STRING:
      return "";
    case ScalarType.BOOL:
      return false;
    default:
      return 0;
  }
}

/**
 * Thrown at a value that is not of its field's type. The library's writer takes what it can turn into the type, such as the
 * number 5 for a text; over other routes that is refused.
 */
const misfit = new TypeError("the value does not have its field's type");

function writeScalar(number: number, scalar: ScalarType): WriteValue | undefined {
  const varint = ((number << 3) | WireType.Varint) >>> 0;
  const delimited = ((number << 3) | WireType.LengthDelimited) >>> 0;
  switch (scalar) {
    case ScalarType.STRING:
      return (writer, value) => {
        if (!isText(value)) {
          throw misfit;
        }
        writer.uint32(delimited).string(value);
      };
    case ScalarType.BYTES:
      return (writer, value) => {
        if (!isBytes(value)) {
          throw misfit;
        }
        writer.uint32(delimited).bytes(value);
      };
    case ScalarType.BOOL:
      return (writer, value) => {
        if (!isBoolean(value)) {
          throw misfit;
        }
        writer.uint32(varint).bool(value);
      };
    case ScalarType.INT32:
      return (writer, value) => {
        if (!isInt32(value)) {
          throw misfit;
        }
        writer.uint32(varint).int32(value);
      };
    case ScalarType.UINT32:
      return (writer, value) => {
        if (!isUint32(value)) {
          throw misfit;
        }
        writer.uint32(varint).uint32(value);
      };
    default:
      return undefined;
  }
}

function writeChild(number: number, schema: DescMessage): WriteValue {
  const delimited = ((number << 3) | WireType.LengthDelimited) >>> 0;
  return (writer, value) => {
    // That it is none shows at once.
    const message = value as Members;
    // Looked up late, as messages can hold messages of their own type.
    const write = writerOf(schema);
    writer.uint32(delimited);
    if (write === undefined || !isPlainInstance(schema, message)) {
      writer.bytes(checkedBinary(schema, message as never));
    } else {
      writer.fork();
      write(writer, message);
      writer.join();
    }
  };
}

/**
 * Serialises a request message.
 * @throws ConnectError internal if it is not of its type.
 */
export function encodeRequest<I extends DescMessage>(schema: I, message: MessageInitShape<I>): Uint8Array {
  try {
    return encodeMessage(schema, create(schema, message));
  } catch (error) {
    throw cannotEncode(schema, error);
  }
}
