import type { DescMessage } from "@bufbuild/protobuf";
import { isMessage } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { isPlugboardError, type PlugboardError } from "plugboard";
import { describe, expect, test } from "vitest";
import { Extension, MarkdownConfigSchema } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { Carrier, ManifestSchema, MethodKind } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { readConfig, readConfigText } from "../../src/plugin/config.ts";
import { EveryKindSchema } from "../gen/plugboard/test/v1/every_kind_pb.ts";

function refusal(schema: DescMessage, json: unknown): PlugboardError {
  try {
    readConfig(schema, json);
  } catch (error) {
    if (isPlugboardError(error, "PB-CONFIG-INVALID")) {
      return error;
    }
    throw error;
  }
  throw new Error("the configuration was accepted");
}

/** The error's text, without its code and hint. */
function said(error: PlugboardError): string | undefined {
  return error.rawMessage.split("\n")[0]?.replace("PB-CONFIG-INVALID: ", "");
}

/** Everything of an error that could end in a log. */
function everything(error: PlugboardError): string {
  const parts: unknown[] = [];
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    parts.push(each.message, each.stack, JSON.stringify(each));
  }
  return parts.join("\n");
}

describe("readConfig reads", () => {
  test("a configuration that fits", () => {
    const json = { extensions: ["EXTENSION_GFM"], maxDocumentBytes: 1024 };
    expect(readConfig(MarkdownConfigSchema, json)).toMatchObject({
      extensions: [Extension.GFM],
      maxDocumentBytes: 1024,
    });
  });

  test("an empty object as the defaults", () => {
    expect(readConfig(MarkdownConfigSchema, {})).toMatchObject({ extensions: [], maxDocumentBytes: 0 });
  });

  test("names as the contract spells them, too", () => {
    expect(readConfig(MarkdownConfigSchema, { max_document_bytes: 7 })).toMatchObject({ maxDocumentBytes: 7 });
  });

  test("null as a field's default, as protobuf's JSON mapping has it", () => {
    expect(readConfig(ManifestSchema, { name: null, limits: null })).toMatchObject({ name: "" });
  });

  test("messages in messages, lists of messages, enums by name and by number, and durations", () => {
    const json = {
      services: [{ name: "a.B", methods: [{ name: "C", kind: "METHOD_KIND_UNARY" }] }],
      endpoints: [{ carrier: 2, address: "unix:/a" }],
      limits: { maxMessageBytes: "1024", maxDeadline: "1.5s" },
    };
    expect(readConfig(ManifestSchema, json)).toMatchObject({
      services: [{ methods: [{ kind: MethodKind.UNARY }] }],
      endpoints: [{ carrier: Carrier.UNIX }],
      limits: { maxMessageBytes: 1024n, maxDeadline: { seconds: 1n, nanos: 500_000_000 } },
    });
  });
});

describe("readConfig refuses, and names the path of,", () => {
  test.each<[string, { schema: DescMessage; json: unknown; message: string }]>([
    [
      "an unknown key",
      {
        schema: MarkdownConfigSchema,
        json: { maxBytes: 1 },
        message: 'configuration key "maxBytes" is unknown in examples.markdown.v1.MarkdownConfig',
      },
    ],
    [
      "an unknown key beside known ones",
      {
        schema: MarkdownConfigSchema,
        json: { maxDocumentBytes: 1, extensions: [], extension: 1 },
        message: 'configuration key "extension" is unknown in examples.markdown.v1.MarkdownConfig',
      },
    ],
    [
      "an unknown key in a message",
      {
        schema: ManifestSchema,
        json: { limits: { maxMessageByte: 1 } },
        message: 'configuration key "limits.maxMessageByte" is unknown in plugboard.plugin.v1.Limits',
      },
    ],
    [
      "an unknown key in a message in a list in a message in a list",
      {
        schema: ManifestSchema,
        json: { services: [{ name: "a" }, { methods: [{ name: "b" }, { nmae: "c" }] }] },
        message: 'configuration key "services[1].methods[1].nmae" is unknown in plugboard.plugin.v1.Method',
      },
    ],
    [
      "a string for a number",
      {
        schema: MarkdownConfigSchema,
        json: { maxDocumentBytes: "many" },
        message: 'configuration key "maxDocumentBytes" is a string that does not fit, not a uint32',
      },
    ],
    [
      "a negative number for an unsigned one",
      {
        schema: MarkdownConfigSchema,
        json: { maxDocumentBytes: -1 },
        message: 'configuration key "maxDocumentBytes" is a number that does not fit, not a uint32',
      },
    ],
    [
      "a fraction for a whole number",
      {
        schema: MarkdownConfigSchema,
        json: { maxDocumentBytes: 0.5 },
        message: 'configuration key "maxDocumentBytes" is a number that does not fit, not a uint32',
      },
    ],
    [
      "an object for a number",
      {
        schema: MarkdownConfigSchema,
        json: { maxDocumentBytes: {} },
        message: 'configuration key "maxDocumentBytes" is an object, not a uint32',
      },
    ],
    [
      "a number for a string in a message in a list",
      {
        schema: ManifestSchema,
        json: { services: [{ name: 1 }] },
        message: 'configuration key "services[0].name" is a number that does not fit, not a string',
      },
    ],
    [
      "a string for a boolean at depth",
      {
        schema: ManifestSchema,
        json: { services: [{}, { methods: [{ idempotent: "yes" }] }] },
        message: 'configuration key "services[1].methods[0].idempotent" is a string that does not fit, not a bool',
      },
    ],
    [
      "a wrong type inside a list",
      {
        schema: ManifestSchema,
        json: { protocolVersions: [1, 2, "three"] },
        message: 'configuration key "protocolVersions[2]" is a string that does not fit, not a uint32',
      },
    ],
    [
      "null inside a list",
      {
        schema: ManifestSchema,
        json: { protocolVersions: [1, null] },
        message: 'configuration key "protocolVersions[1]" is null, not a uint32',
      },
    ],
    [
      "an object for a list",
      {
        schema: ManifestSchema,
        json: { services: {} },
        message: 'configuration key "services" is an object, not an array',
      },
    ],
    [
      "a number for a list",
      {
        schema: MarkdownConfigSchema,
        json: { extensions: 1 },
        message: 'configuration key "extensions" is a number that does not fit, not an array',
      },
    ],
    [
      "a list for a message",
      {
        schema: ManifestSchema,
        json: { limits: [] },
        message: 'configuration key "limits" is an array, not a plugboard.plugin.v1.Limits',
      },
    ],
    [
      "a string for a message inside a list",
      {
        schema: ManifestSchema,
        json: { services: [{}, "a.B"] },
        message: 'configuration key "services[1]" is a string that does not fit, not a plugboard.plugin.v1.Service',
      },
    ],
    [
      "a name that the enum does not have",
      {
        schema: MarkdownConfigSchema,
        json: { extensions: ["EXTENSION_GFM", "GFM"] },
        message:
          'configuration key "extensions[1]" is a string that does not fit, not one of EXTENSION_UNSPECIFIED, EXTENSION_GFM',
      },
    ],
    [
      "a duration without its unit, at depth",
      {
        schema: ManifestSchema,
        json: { limits: { maxDeadline: "90" } },
        message: 'configuration key "limits.maxDeadline" is a string that does not fit, not a google.protobuf.Duration',
      },
    ],
    [
      "only the first of several faults",
      {
        schema: ManifestSchema,
        json: { name: 1, version: 2, nothing: 3 },
        message: 'configuration key "name" is a number that does not fit, not a string',
      },
    ],
  ])("%s", (_what, { schema, json, message }) => {
    const error = refusal(schema, json);
    expect(said(error)).toBe(message);
    expect(error.hint).not.toBe("");
  });

  test("a key of Object.prototype, as any other unknown key", () => {
    for (const key of ["toString", "constructor", "__proto__"]) {
      expect(said(refusal(ManifestSchema, JSON.parse(`{"limits":{"${key}":1}}`)))).toBe(
        `configuration key "limits.${key}" is unknown in plugboard.plugin.v1.Limits`,
      );
    }
  });
});

describe("readConfig refuses what is no object:", () => {
  test.each<[unknown, string]>([
    [null, "null"],
    [undefined, "undefined"],
    [[], "an array"],
    [[{}], "an array"],
    ["{}", "a string"],
    [0, "a number"],
    [true, "a boolean"],
  ])("%j", (json, named) => {
    expect(said(refusal(MarkdownConfigSchema, json))).toMatch(
      new RegExp(`^the configuration is ${named}.*, not a JSON object$`),
    );
  });
});

test("readConfig refuses what is too deep to be read, and what contains itself", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.child = cyclic;
  const deep = JSON.parse(`${'{"child":'.repeat(5_000)}{}${"}".repeat(5_000)}`);
  for (const given of [cyclic, deep]) {
    expect(said(refusal(EveryKindSchema, given))).toBe("the configuration is more than 100 levels deep");
  }
});

describe("readConfigText", () => {
  test("reads the text of a JSON object", () => {
    expect(readConfigText(MarkdownConfigSchema, '{"maxDocumentBytes":3}', "PLUGBOARD_CONFIG").maxDocumentBytes).toBe(3);
  });

  test("names the source of a text that is no JSON, and does not quote it", () => {
    for (const text of ["", "{", '{"password": swordfish}', "swordfish"]) {
      expect(() => readConfigText(MarkdownConfigSchema, text, "PLUGBOARD_CONFIG")).toThrow(
        expect.toSatisfy((error: PlugboardError) => {
          expect(said(error)).toBe("PLUGBOARD_CONFIG is not JSON");
          expect(everything(error)).not.toContain("swordfish");
          return isPlugboardError(error, "PB-CONFIG-INVALID");
        }),
      );
    }
  });
});

describe("a secret in a configuration", () => {
  const secret = "swordfish-7f3a";

  test.each<[string, DescMessage, unknown]>([
    ["where a number belongs", MarkdownConfigSchema, { maxDocumentBytes: secret }],
    ["where an enum belongs", MarkdownConfigSchema, { extensions: [secret] }],
    ["under an unknown key", MarkdownConfigSchema, { password: secret }],
    ["beside the fault", ManifestSchema, { name: secret, description: secret, version: 1 }],
    ["in a list", ManifestSchema, { protocolVersions: [1, secret] }],
    ["at depth", ManifestSchema, { services: [{ methods: [{ idempotent: secret }] }] }],
    ["in an object that should be a string", ManifestSchema, { name: { password: secret } }],
    ["in a list that should be a string", ManifestSchema, { name: [secret] }],
    ["where a duration belongs", ManifestSchema, { limits: { maxDeadline: secret } }],
    ["that is the whole configuration", ManifestSchema, secret],
    ["in a configuration that is an array", ManifestSchema, [secret]],
  ])("is not told %s", (_where, schema, json) => {
    expect(everything(refusal(schema, json))).not.toContain(secret);
  });
});

describe("for arbitrary JSON, readConfig gives a message or PB-CONFIG-INVALID, and never quotes a value:", () => {
  const marker = "swordfish-7f3a";
  const schemas = [MarkdownConfigSchema, ManifestSchema, StructSchema] as const;
  const scalar = fc.oneof(
    fc.constant(marker),
    fc.constant(`${marker}\n${marker}`),
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom("EXTENSION_GFM", "METHOD_KIND_UNARY", "1.5s", "12", "NaN"),
  );
  const keys = schemas.flatMap((schema) => namesIn(schema));
  const key = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...keys) }, fc.string());
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      scalar,
      fc.array(tie("json"), { maxLength: 3 }),
      fc.dictionary(key, tie("json"), { maxKeys: 4 }),
    ),
  }));

  test.each(schemas)("$typeName", (schema) => {
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: fc.dictionary(key, json, { maxKeys: 5 }) }, json), (value) => {
        let message: unknown;
        try {
          message = readConfig(schema, value);
        } catch (error) {
          expect(isPlugboardError(error, "PB-CONFIG-INVALID")).toBe(true);
          expect(everything(error as PlugboardError)).not.toContain(marker);
          return;
        }
        expect(isMessage(message, schema)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

/** The names of a message's fields, and of those of the messages in it. */
function namesIn(schema: DescMessage, seen: Set<string> = new Set()): string[] {
  if (seen.has(schema.typeName)) {
    return [];
  }
  seen.add(schema.typeName);
  return schema.fields.flatMap((field) => [
    field.jsonName,
    field.name,
    ...(field.message === undefined ? [] : namesIn(field.message, seen)),
  ]);
}
