import type { DescField, DescMessage, JsonValue, MessageInitShape } from "@bufbuild/protobuf";
import { create, isMessage, toJson } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";

/**
 * A plugin's configuration: a message of its config schema, the fields of one, or protobuf JSON, also mixed. What the fields
 * are, the schema says: a duration is `"3s"` or `{ seconds: 3n }`, an enum's value its name or its number.
 */
export type ConfigInit<Config extends DescMessage = DescMessage> = MessageInitShape<Config> | JsonValue;

/** Protobuf JSON of what may be fields of a message instead; what fits nothing stays as it is, to be refused. */
export function toConfigJson(schema: DescMessage, value: unknown): unknown {
  if (!isPlainObject(value)) {
    return value;
  }
  const entries = Object.entries(value).flatMap(([key, each]): (readonly [string, unknown])[] => {
    if (each === undefined || key === "$typeName" || key === "$unknown") {
      return [];
    }
    const field = schema.fields.find((field) => [field.localName, field.jsonName, field.name].includes(key));
    if (field !== undefined) {
      return [[field.name === key ? key : field.jsonName, fieldToJson(field, each)]];
    }
    const chosen = schema.oneofs.some(({ localName }) => localName === key) && isPlainObject(each) ? each : undefined;
    if (chosen === undefined || !("case" in chosen)) {
      return [[key, each]];
    }
    const member = schema.fields.find(({ localName, oneof }) => oneof?.localName === key && localName === chosen.case);
    return member === undefined
      ? chosen.case === undefined
        ? []
        : [[`${key}.case`, chosen.case]]
      : [[member.jsonName, fieldToJson(member, chosen.value)]];
  });
  return Object.fromEntries(entries);
}

/** The text in which a host hands a configuration to a plugin, whose schema it does not know. */
export function configText(config: object): string {
  return JSON.stringify(config, function (this: unknown, key, value: unknown) {
    // As it was before a toJSON of its own, such as that of Buffer.
    const original: unknown = (this as Record<string, unknown>)[key];
    return scalarToJson(original instanceof Uint8Array ? original : value);
  });
}

function fieldToJson(field: DescField, value: unknown): unknown {
  const one = (each: unknown) =>
    field.message === undefined ? scalarToJson(each) : messageToJson(field.message, each);
  if (field.fieldKind === "list") {
    return Array.isArray(value) ? value.map(one) : value;
  }
  if (field.fieldKind === "map") {
    return isPlainObject(value)
      ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, one(each)]))
      : value;
  }
  return one(value);
}

function messageToJson(schema: DescMessage, value: unknown): unknown {
  if (!schema.typeName.startsWith("google.protobuf.")) {
    return toConfigJson(schema, value);
  }
  try {
    if (isMessage(value, schema)) {
      return toJson(schema, value);
    }
    if (isPlainObject(value) && momentTypes.includes(schema.typeName) && Object.keys(value).every(isMomentField)) {
      const { seconds = 0, nanos = 0 } = value as { seconds?: string | number | bigint; nanos?: number };
      return toJson(schema, create(schema, { seconds: BigInt(seconds), nanos }));
    }
  } catch {
    // It is refused as what it is.
    return scalarToJson(value);
  }
  return scalarToJson(value);
}

const momentTypes = ["google.protobuf.Duration", "google.protobuf.Timestamp"];

function isMomentField(name: string): boolean {
  return name === "seconds" || name === "nanos" || name === "$typeName";
}

function scalarToJson(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return base64Encode(value);
  }
  return typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
