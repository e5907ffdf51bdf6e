import type { DescField, DescMessage, JsonObject, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { fromJson, ScalarType } from "@bufbuild/protobuf";
import { toConfigJson } from "./config-json.ts";
import { pluginError } from "./errors.ts";

/**
 * Most levels of a configuration, as most readers of protobuf have it. An object that contains itself exceeds it, too.
 */
const maxDepth = 100;

/**
 * Reads a plugin's configuration: protobuf JSON, or the fields of a message. Unknown keys and wrong types are refused.
 * @throws PlugboardError PB-CONFIG-INVALID that names the path, such as "limits.maxBytes". Values stay out of the
 * message, since a configuration may hold secrets.
 */
export function readConfig<Desc extends DescMessage>(schema: Desc, given: unknown): MessageShape<Desc> {
  if (isDeeper(given, maxDepth)) {
    throw pluginError("PB-CONFIG-INVALID", `the configuration is more than ${maxDepth} levels deep`);
  }
  const json = toConfigJson(schema, given);
  if (!isObject(json)) {
    throw pluginError("PB-CONFIG-INVALID", `the configuration is ${nameOf(json)}, not a JSON object`);
  }
  try {
    return fromJson(schema, json);
  } catch {
    // The library's message quotes the value, so it is dropped here, cause and all.
    throw pluginError("PB-CONFIG-INVALID", `configuration ${findFault(schema, json, "")}`);
  }
}

/**
 * Reads a plugin's configuration from the text of a JSON object.
 * @throws PlugboardError PB-CONFIG-INVALID, see readConfig.
 */
export function readConfigText<Desc extends DescMessage>(
  schema: Desc,
  text: string,
  source: string,
): MessageShape<Desc> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw pluginError("PB-CONFIG-INVALID", `${source} is not JSON`);
  }
  return readConfig(schema, json);
}

/** Finds the key that fromJson stumbled over, by trying each alone. */
function findFault(schema: DescMessage, json: JsonObject, prefix: string): string {
  for (const [key, value] of Object.entries(json)) {
    const path = prefix + key;
    const field = schema.fields.find((candidate) => candidate.jsonName === key || candidate.name === key);
    if (field === undefined) {
      if (canRead(schema, { [key]: value })) {
        continue;
      }
      return `key "${path}" is unknown in ${schema.typeName}`;
    }
    if (canRead(schema, { [key]: value })) {
      continue;
    }
    const parts =
      field.fieldKind === "list" && Array.isArray(value)
        ? value.map((item, index) => [`${path}[${index}]`, item] as const)
        : field.fieldKind === "map" && isObject(value)
          ? Object.entries(value).map(([name, item]) => [`${path}.${name}`, item] as const)
          : [[path, value] as const];
    if (field.message !== undefined && !field.message.typeName.startsWith("google.protobuf.")) {
      for (const [itemPath, item] of parts) {
        if (isObject(item) && !canRead(field.message, item)) {
          return findFault(field.message, item, `${itemPath}.`);
        }
      }
    }
    const faulty = parts.find(([, item]) => !canRead(schema, { [key]: wrap(field, item) })) ?? [path, value];
    return `key "${faulty[0]}" is ${nameOf(faulty[1])}, not ${expected(field, faulty[0] !== path)}`;
  }
  return `does not fit ${schema.typeName}`;
}

function wrap(field: DescField, item: JsonValue): JsonValue {
  return field.fieldKind === "list" ? [item] : field.fieldKind === "map" ? { [firstKey(field)]: item } : item;
}

function firstKey(field: DescField & { fieldKind: "map" }): string {
  return field.mapKey === ScalarType.STRING ? "key" : field.mapKey === ScalarType.BOOL ? "true" : "1";
}

function canRead(schema: DescMessage, json: JsonObject): boolean {
  try {
    fromJson(schema, json);
    return true;
  } catch {
    return false;
  }
}

function expected(field: DescField, insideContainer: boolean): string {
  if (!insideContainer && field.fieldKind === "list") {
    return "an array";
  }
  if (!insideContainer && field.fieldKind === "map") {
    return "an object";
  }
  if (field.enum !== undefined) {
    return `one of ${field.enum.values.map((value) => value.name).join(", ")}`;
  }
  if (field.message !== undefined) {
    return `a ${field.message.typeName}`;
  }
  return field.scalar === undefined ? "what the contract says" : `a ${ScalarType[field.scalar].toLowerCase()}`;
}

/** Names the type of a JSON value without quoting it. */
function nameOf(value: unknown): string {
  if (value === null || value === undefined) {
    return String(value);
  }
  if (Array.isArray(value)) {
    return "an array";
  }
  return typeof value === "object" ? "an object" : `a ${typeof value} that does not fit`;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) {
    return false;
  }
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
