import { create, toJson } from "@bufbuild/protobuf";
import { connect, definePlugin } from "plugboard";
import { Host } from "plugboard/node";
import { describe, expect, test } from "vitest";
import {
  Extension,
  MarkdownConfigSchema,
  MarkdownService,
} from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { LimitsSchema, ManifestSchema } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { readConfig, readConfigText } from "../../src/plugin/config.ts";
import { configText } from "../../src/plugin/config-json.ts";

describe("a configuration may be written as protobuf JSON, as fields of a message, and as a message", () => {
  const expected = create(LimitsSchema, { maxMessageBytes: 2n ** 40n, maxDeadline: { seconds: 3n, nanos: 0 } });
  test.each<[string, object]>([
    ["JSON", { maxMessageBytes: "1099511627776", maxDeadline: "3s" }],
    ["JSON, with the contract's names", { max_message_bytes: "1099511627776", max_deadline: "3s" }],
    ["fields", { maxMessageBytes: 2n ** 40n, maxDeadline: { seconds: 3n, nanos: 0 } }],
    ["some of each", { maxMessageBytes: 2n ** 40n, maxDeadline: "3s" }],
    ["a message", expected],
    ["toJson of it", toJson(LimitsSchema, expected) as object],
  ])("%s, given in process, and by a host to a process", (_what, config) => {
    expect(readConfig(LimitsSchema, config)).toEqual(expected);
    expect(readConfigText(LimitsSchema, configText(config), "PLUGBOARD_CONFIG")).toEqual(expected);
    const nested = { limits: config };
    expect(readConfig(ManifestSchema, nested).limits).toEqual(expected);
    expect(readConfigText(ManifestSchema, configText(nested), "PLUGBOARD_CONFIG").limits).toEqual(expected);
  });

  const faults: readonly [object, string][] = [
    [{ nope: 1 }, 'key "nope" is unknown'],
    [{ extensions: "x" }, 'key "extensions" is a string that does not fit, not an array'],
    [{ extensions: ["EXTENSION_NONE_SUCH"] }, 'key "extensions[0]"'],
    [{ maxDocumentBytes: 2n ** 70n }, 'key "maxDocumentBytes"'],
  ];
  const plugin = definePlugin({
    name: "sample",
    version: "1.0.0",
    config: MarkdownConfigSchema,
    routes(router, { config }) {
      router.service(MarkdownService, { render: () => ({ html: `${config.extensions} ${config.maxDocumentBytes}` }) });
    },
  });

  test.each([
    [{ extensions: [Extension.GFM], maxDocumentBytes: 7 }],
    [{ extensions: ["EXTENSION_GFM"], maxDocumentBytes: 7 }],
    [toJson(MarkdownConfigSchema, create(MarkdownConfigSchema, { extensions: [Extension.GFM], maxDocumentBytes: 7 }))],
  ])("connect and host.load take the same: %j", async (config) => {
    await using connection = await connect(plugin, { config });
    expect((await connection.client(MarkdownService).render({})).html).toBe(`${Extension.GFM} 7`);
    await using host = new Host();
    const command = [process.execPath, "--conditions=plugboard-source", "examples/markdown/serve.ts"] as const;
    const loaded = await host.load({ command, config });
    await expect(loaded.client(MarkdownService).render({ markdown: "longer than seven" })).rejects.toThrow("7");
  });

  test.each(faults)("what does not fit is refused with its path, in process and as text: %s", async (config, path) => {
    await expect(connect(plugin, { config: config as never })).rejects.toMatchObject({
      errorCode: "PB-CONFIG-INVALID",
      message: expect.stringContaining(path),
    });
    expect(() => readConfigText(MarkdownConfigSchema, configText(config), "it")).toThrow(path);
  });
});
