import type { Interceptor } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { expect, test } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";
import { PluginService } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { BehaviourService } from "../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";

const gate: Interceptor = (next) => (request) => next(request);
const ofPlugin: Interceptor = (next) => (request) => next(request);
const ofService: Interceptor = (next) => (request) => next(request);

test("a gate is outside of the interceptors of plugin and service, and not around what every plugin serves", async () => {
  const plugin = definePlugin({
    name: "gated",
    version: "1.0.0",
    interceptors: [ofPlugin],
    routes(router) {
      router
        .service(MarkdownService, {})
        .rpc(BehaviourService.method.echo, () => ({}), { interceptors: [ofService] })
        .rpc(BehaviourService.method.fail, () => ({}));
    },
  });
  await using running = await startPlugin(plugin, {
    gate,
    standardRoutes: [(router) => router.rpc(PluginService.method.describe, () => ({}))],
  });
  const interceptors = (path: string) => running.table.find(path)?.interceptors;
  expect(interceptors(`/${MarkdownService.typeName}/Render`)).toEqual([gate, ofPlugin]);
  expect(interceptors(`/${BehaviourService.typeName}/Echo`)).toEqual([gate, ofService]);
  expect(interceptors(`/${BehaviourService.typeName}/Fail`)).toEqual([gate, ofPlugin]);
  expect(interceptors(`/${PluginService.typeName}/Describe`)).toEqual([ofPlugin]);
});
