import type { Empty } from "@bufbuild/protobuf/wkt";
import type { PluginContext } from "plugboard";
import { connect, definePlugin } from "plugboard";
import { describe, expect, expectTypeOf, test } from "vitest";
import { MarkdownConfigSchema, MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

describe("what start returns", () => {
  const base = { name: "sample", version: "1.0.0" };

  test("is the state of the handlers and of stop, typed; each start has its own", async () => {
    const stopped: number[] = [];
    let starts = 0;
    const plugin = definePlugin({
      ...base,
      start: async () => ({ number: ++starts, close: (with_: string) => with_.length }),
      routes(router, { state }) {
        expectTypeOf(state).toEqualTypeOf<{ number: number; close: (with_: string) => number }>();
        router.service(MarkdownService, { render: () => ({ html: `${state.number}` }) });
      },
      stop({ state }) {
        expectTypeOf(state.number).toEqualTypeOf<number>();
        stopped.push(state.number);
      },
    });
    const first = await connect(plugin);
    const second = await connect(plugin);
    expect((await second.client(MarkdownService).render({})).html).toBe("2");
    expect((await first.client(MarkdownService).render({})).html).toBe("1");
    await first.close();
    await second.close();
    expect(stopped).toEqual([1, 2]);
  });

  test("is typed, too, where start takes the configuration, and where it is not asynchronous", async () => {
    const plugin = definePlugin({
      ...base,
      config: MarkdownConfigSchema,
      start({ config }) {
        return { limit: config.maxDocumentBytes };
      },
      routes(router, { state, config }) {
        expectTypeOf(state).toEqualTypeOf<{ limit: typeof config.maxDocumentBytes }>();
        router.service(MarkdownService, { render: () => ({ html: String(state.limit) }) });
      },
    });
    await using connection = await connect(plugin, { config: { maxDocumentBytes: 7 } });
    expect((await connection.client(MarkdownService).render({})).html).toBe("7");
  });

  test("is undefined without start, and with one that returns nothing", async () => {
    const seen: unknown[] = [];
    const without = definePlugin({
      ...base,
      routes(router, { state }) {
        expectTypeOf(state).toEqualTypeOf<undefined>();
        seen.push(state);
        router.service(MarkdownService, {});
      },
    });
    const withVoid = definePlugin({
      ...base,
      start: () => undefined,
      routes: (router) => router.service(MarkdownService, {}),
      stop: ({ state }) => void seen.push(state),
    });
    await (await connect(without)).close();
    await (await connect(withVoid)).close();
    expect(seen).toEqual([undefined, undefined, undefined]);
  });

  test("can't be used when the plugin is defined, which is told by a code", () => {
    const using: ((state: { count: number }) => unknown)[] = [
      (state) => state.count,
      (state) => ({ ...state }),
      (state) => {
        state.count = 1;
      },
      (state) => "count" in state,
    ];
    for (const use of using) {
      const define = () =>
        definePlugin({
          ...base,
          start: () => ({ count: 1 }),
          routes(router, { state }) {
            use(state);
            router.service(MarkdownService, {});
          },
        });
      expect(define).toThrow(expect.objectContaining({ errorCode: "PB-PLUGIN-STATE" }));
      expect(define).toThrow("Use `state` inside the handlers");
    }
  });

  test("goes with annotated contexts", () => {
    definePlugin({
      ...base,
      start: ({ env }: PluginContext<Empty, { readonly BUCKET: string }>) => ({ bucket: env.BUCKET }),
      routes(router, { state }: PluginContext<Empty, { readonly BUCKET: string }, { bucket: string }>) {
        router.service(MarkdownService, { render: () => ({ html: state.bucket }) });
      },
    });
  });
});
