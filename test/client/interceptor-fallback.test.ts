import type { Interceptor } from "@connectrpc/connect";
import { definePlugin, PlugboardError } from "plugboard";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";

test("a call that reached a plugin is not repeated when an interceptor fails to reach another", async () => {
  let calls = 0;
  const plugin = definePlugin({
    name: "counting",
    version: "1.0.0",
    routes(router) {
      router.service(MarkdownService, {
        render() {
          calls += 1;
          return {};
        },
      });
    },
  });
  const audit: Interceptor = (next) => async (request) => {
    await next(request);
    throw new PlugboardError("PB-DIAL-FAILED", "the audit plugin is down");
  };
  // Two places of the same plugin, so that there is a route to go on with.
  await using connection = await connect([plugin, plugin], { interceptors: [audit] });
  expect(connection.routes.unary.routes).toHaveLength(2);
  await expect(connection.client(MarkdownService).render({})).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
  expect(calls).toBe(1);
});
