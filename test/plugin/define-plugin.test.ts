import { EmptySchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { PluginContext, PluginDefinition } from "plugboard";
import { connect, definePlugin, PlugboardError, PluginService } from "plugboard";
import { describe, expect, test, vi } from "vitest";
import type { MarkdownConfig } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import {
  Extension,
  MarkdownConfigSchema,
  MarkdownService,
} from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { rejection } from "../support/rejection.ts";

const minimal = {
  name: "sample",
  version: "1.0.0",
  routes: (router: ConnectRouter) => router.service(MarkdownService, {}),
} satisfies PluginDefinition;

/** Defines a plugin that a type checker may well object to: callers in JavaScript have none. */
function define(change: Record<string, unknown>) {
  return definePlugin({ ...minimal, ...change } as PluginDefinition);
}

function refusal(change: Record<string, unknown>): PlugboardError {
  try {
    define(change);
  } catch (error) {
    expect(error).toBeInstanceOf(PlugboardError);
    return error as PlugboardError;
  }
  throw new Error("the definition was accepted");
}

const dependency = (name: unknown, versionRange: unknown) => ({ dependencies: [{ name, versionRange }] });

describe("definePlugin refuses", () => {
  test.each<[string, { change: Record<string, unknown>; errorCode: string; named: string }]>([
    ["an empty name", { change: { name: "" }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name in upper case", { change: { name: "Markdown" }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name that starts with a digit", { change: { name: "1st" }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name that starts with a hyphen", { change: { name: "-a" }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name with a dot", { change: { name: "a.b" }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name that ends with a newline", { change: { name: "a\n" }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name of letters beyond ASCII", { change: { name: "grüße" }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name of 64 characters", { change: { name: "a".repeat(64) }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["a name that is no string", { change: { name: 7 }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["no name", { change: { name: undefined }, errorCode: "PB-PLUGIN-NAME", named: "name" }],
    ["an empty version", { change: { version: "" }, errorCode: "PB-PLUGIN-VERSION", named: "version" }],
    ["a version of two numbers", { change: { version: "1.0" }, errorCode: "PB-PLUGIN-VERSION", named: "version" }],
    ["a version with a leading v", { change: { version: "v1.0.0" }, errorCode: "PB-PLUGIN-VERSION", named: "version" }],
    [
      "a version with a leading zero",
      { change: { version: "01.0.0" }, errorCode: "PB-PLUGIN-VERSION", named: "version" },
    ],
    ["a version with a wildcard", { change: { version: "1.0.x" }, errorCode: "PB-PLUGIN-VERSION", named: "version" }],
    [
      "a version that ends with a newline",
      { change: { version: "1.0.0\n" }, errorCode: "PB-PLUGIN-VERSION", named: "version" },
    ],
    ["a version that is no string", { change: { version: 1 }, errorCode: "PB-PLUGIN-VERSION", named: "version" }],
    [
      "no protocol version",
      { change: { protocolVersions: [] }, errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS", named: "protocolVersions" },
    ],
    [
      "protocol version -1",
      { change: { protocolVersions: [-1] }, errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS", named: "protocolVersions" },
    ],
    [
      "a negative protocol version",
      { change: { protocolVersions: [1, -1] }, errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS", named: "protocolVersions" },
    ],
    [
      "half a protocol version",
      { change: { protocolVersions: [1.5] }, errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS", named: "protocolVersions" },
    ],
    [
      "a protocol version that is not a number",
      { change: { protocolVersions: ["1"] }, errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS", named: "protocol" },
    ],
    [
      "a protocol version beyond 32 bits",
      { change: { protocolVersions: [2 ** 32] }, errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS", named: "protocol" },
    ],
    [
      "a protocol version twice",
      { change: { protocolVersions: [2, 1, 2] }, errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS", named: "protocolVersions" },
    ],
    [
      "a dependency without a name",
      { change: dependency(undefined, "^1.0.0"), errorCode: "PB-PLUGIN-DEPENDENCY", named: "dependencies" },
    ],
    [
      "a dependency whose name is none",
      { change: dependency("Other", "^1.0.0"), errorCode: "PB-PLUGIN-DEPENDENCY", named: '"Other"' },
    ],
    ["an empty version range", { change: dependency("other", ""), errorCode: "PB-PLUGIN-DEPENDENCY", named: "other" }],
    ["a blank version range", { change: dependency("other", "  "), errorCode: "PB-PLUGIN-DEPENDENCY", named: "other" }],
    ["no version range", { change: dependency("other", undefined), errorCode: "PB-PLUGIN-DEPENDENCY", named: "other" }],
    [
      "a tag for a version range",
      { change: dependency("other", "latest"), errorCode: "PB-PLUGIN-DEPENDENCY", named: '"latest"' },
    ],
    [
      "an operator for a version range",
      { change: dependency("other", "^"), errorCode: "PB-PLUGIN-DEPENDENCY", named: '"^"' },
    ],
    [
      "a dependency that stands twice",
      {
        change: {
          dependencies: [
            { name: "other", versionRange: "^1.0.0" },
            { name: "other", versionRange: "^2.0.0" },
          ],
        },
        errorCode: "PB-PLUGIN-DEPENDENCY",
        named: '"other"',
      },
    ],
  ])("%s, and names the field", (_what, { change, errorCode, named }) => {
    const error = refusal(change);
    expect(error).toMatchObject({ errorCode, code: Code.InvalidArgument });
    expect(error.rawMessage.split("\n")[0]).toContain(named);
    expect(error.hint).not.toBe("");
  });

  test.each(["^1.0.0 garbage", "1.0.0 || garbage", "<0.1.0 ^"])(
    "the version range %j, of which only a part is one",
    (versionRange) => {
      expect(refusal(dependency("other", versionRange))).toMatchObject({ errorCode: "PB-PLUGIN-DEPENDENCY" });
    },
  );

  test.each<[string, { routes: (router: ConnectRouter) => void; errorCode: string; named: string }]>([
    [
      "a service that is registered twice",
      {
        routes: (router) => router.service(MarkdownService, {}).service(MarkdownService, {}),
        errorCode: "PB-PLUGIN-DUPLICATE-SERVICE",
        named: "examples.markdown.v1.MarkdownService/",
      },
    ],
    [
      "a single method that is registered twice",
      {
        routes: (router) => {
          router.rpc(MarkdownService.method.render, () => ({}));
          router.rpc(MarkdownService.method.render, () => ({}));
        },
        errorCode: "PB-PLUGIN-DUPLICATE-SERVICE",
        named: "examples.markdown.v1.MarkdownService/Render",
      },
    ],
    [
      "a single method of a service that is registered whole",
      {
        routes: (router) => {
          router.service(MarkdownService, {});
          router.rpc(MarkdownService.method.preview, async function* () {});
        },
        errorCode: "PB-PLUGIN-DUPLICATE-SERVICE",
        named: "examples.markdown.v1.MarkdownService/Preview",
      },
    ],
    [
      "Plugboard's own service",
      {
        routes: (router) => router.service(PluginService, {}),
        errorCode: "PB-PLUGIN-RESERVED-SERVICE",
        named: "plugboard.plugin.v1.PluginService",
      },
    ],
    [
      "a single method of Plugboard's own service",
      {
        routes: (router) => router.rpc(PluginService.method.describe, () => ({})),
        errorCode: "PB-PLUGIN-RESERVED-SERVICE",
        named: "plugboard.plugin.v1.PluginService",
      },
    ],
    [
      "routes that throw",
      {
        routes: () => {
          throw new Error("no database here");
        },
        errorCode: "PB-PLUGIN-ROUTES",
        named: "no database here",
      },
    ],
  ])("%s, and names it", (_what, { routes, errorCode, named }) => {
    const error = refusal({ routes });
    expect(error.errorCode).toBe(errorCode);
    const [firstLine] = error.rawMessage.split("\n");
    expect(firstLine).toContain("routes");
    expect(firstLine).toContain(named);
    expect(error.hint).not.toBe("");
  });

  test("routes that throw, and keeps what was thrown as the cause", () => {
    const cause = new TypeError("context.config.database is undefined");
    const routes = () => {
      throw cause;
    };
    expect(refusal({ routes }).cause).toBe(cause);
  });

  test("routes that are asynchronous, and lets them end nothing", () => {
    const error = refusal({
      routes: async () => {
        await Promise.resolve();
        throw new Error("too late");
      },
    });
    expect(error.errorCode).toBe("PB-PLUGIN-ROUTES");
  });

  test("a definition without routes", () => {
    expect(refusal({ routes: undefined }).errorCode).toBe("PB-PLUGIN-ROUTES");
  });
});

describe("definePlugin accepts", () => {
  test.each(["a", "a1", "a-b", "a--b", "markdown", `${"a".repeat(62)}1`])("the name %j", (name) => {
    expect(define({ name }).name).toBe(name);
  });

  test.each(["0.0.0", "1.2.3-rc.1", "1.2.3-alpha.0.x-y", "1.2.3+build.5", "1.2.3-rc.1+build.0005"])(
    "the version %j",
    (version) => {
      expect(define({ version }).version).toBe(version);
    },
  );

  test.each([
    "1.2.3",
    "^1.2.0",
    "~1.2",
    "1.x",
    ">=1.0.0 <2.0.0",
    "1.0.0 - 2.0.0",
    "^1.0.0 || ^2.0.0",
    ">1.0.0-rc.1",
    "*",
  ])("the version range %j", (versionRange) => {
    expect(define(dependency("other", versionRange)).dependencies).toEqual([{ name: "other", versionRange }]);
  });

  test("protocol versions up to 32 bits, in any order", () => {
    expect(define({ protocolVersions: [0xffffffff, 1] }).protocolVersions).toEqual([0xffffffff, 1]);
  });

  test("single methods of one service, each registered for itself", () => {
    const plugin = define({
      routes(router: ConnectRouter) {
        router.rpc(MarkdownService.method.render, () => ({ html: "" }));
        router.rpc(MarkdownService.method.assemble, async () => ({ html: "" }));
      },
    });
    expect(plugin.services).toEqual([MarkdownService]);
  });

  test("a definition of nothing but name, version and routes, and fills in the defaults", async () => {
    const plugin = definePlugin(minimal);
    expect(plugin).toMatchObject({
      name: "sample",
      version: "1.0.0",
      description: "",
      protocolVersions: [1],
      dependencies: [],
      interceptors: [],
      config: EmptySchema,
      services: [MarkdownService],
    });
    await using connection = await connect(plugin);
    expect(connection.manifest).toMatchObject({
      name: "sample",
      version: "1.0.0",
      description: "",
      protocolVersion: 1,
      protocolVersions: [1],
      dependencies: [],
    });
  });

  test("a plugin without any service", () => {
    expect(define({ routes: () => undefined }).services).toEqual([]);
  });
});

test("a routes function that was written for another Connect server is a plugin's as it stands", async () => {
  const routes = (router: ConnectRouter) => {
    router.service(MarkdownService, { render: ({ markdown }) => ({ html: `<p>${markdown}</p>` }) });
  };
  await using connection = await connect(definePlugin({ name: "existing", version: "1.0.0", routes }));
  expect(await connection.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
});

test("the manifest says what the definition said", async () => {
  const plugin = definePlugin({
    ...minimal,
    description: "Says nothing.",
    protocolVersions: [1, 3, 2],
    dependencies: [{ name: "other", versionRange: "^1.2.0" }],
  });
  await using connection = await connect(plugin);
  expect(connection.manifest).toMatchObject({
    description: "Says nothing.",
    protocolVersion: 3,
    protocolVersions: [1, 3, 2],
    dependencies: [{ name: "other", versionRange: "^1.2.0" }],
    services: [
      {
        name: "examples.markdown.v1.MarkdownService",
        methods: [
          { name: "Render", idempotent: true },
          { name: "Outline", idempotent: true },
          { name: "Assemble", idempotent: false },
          { name: "Preview", idempotent: false },
        ],
      },
    ],
  });
});

test("routes sees default configuration and an empty env when the plugin is defined, and the real ones at each start", async () => {
  const seen: unknown[] = [];
  const plugin = definePlugin({
    ...minimal,
    config: MarkdownConfigSchema,
    routes(_router, { config, env, signal }: PluginContext<MarkdownConfig>) {
      seen.push({ extensions: config.extensions, limit: config.maxDocumentBytes, env, aborted: signal.aborted });
    },
  });
  expect(seen).toEqual([{ extensions: [], limit: 0, env: {}, aborted: false }]);
  await using _connection = await connect(plugin, {
    config: { extensions: [Extension.GFM], maxDocumentBytes: 7 },
    env: { GREETING: "hello" },
  });
  expect(seen.slice(1)).toEqual([
    { extensions: [Extension.GFM], limit: 7, env: { GREETING: "hello" }, aborted: false },
  ]);
});

describe("a plugin's lifecycle", () => {
  test("runs start, then routes, then the first call; stop when the connection closes", async () => {
    const events: string[] = [];
    const plugin = definePlugin({
      ...minimal,
      async start() {
        events.push("start begins");
        await nextTask();
        events.push("start ends");
      },
      routes(router) {
        events.push("routes");
        router.rpc(MarkdownService.method.render, () => {
          events.push("call");
          return {};
        });
      },
      stop() {
        events.push("stop");
      },
    });
    expect(events.splice(0)).toEqual(["routes"]);
    const connection = await connect(plugin);
    expect(events).toEqual(["start begins", "start ends", "routes"]);
    await connection.client(MarkdownService).render({});
    await connection.close();
    expect(events).toEqual(["start begins", "start ends", "routes", "call", "stop"]);
  });

  test("gives start, routes and stop one and the same context, whose signal is aborted before stop runs", async () => {
    const contexts: PluginContext[] = [];
    const aborted: boolean[] = [];
    const note = (context: PluginContext) => {
      contexts.push(context);
      aborted.push(context.signal.aborted);
    };
    const plugin = definePlugin({ ...minimal, start: note, routes: (_router, context) => note(context), stop: note });
    contexts.length = aborted.length = 0;
    await (await connect(plugin)).close();
    expect(aborted).toEqual([false, false, true]);
    expect(new Set(contexts).size).toBe(1);
  });

  test("runs stop once, however often the connection is closed", async () => {
    const stop = vi.fn();
    const connection = await connect(definePlugin({ ...minimal, stop }));
    await Promise.all([connection.close(), connection.close(), connection[Symbol.asyncDispose]()]);
    await connection.close();
    expect(stop).toHaveBeenCalledOnce();
  });

  test("waits for a stop that takes its time before the connection counts as closed", async () => {
    let stopped = false;
    const connection = await connect(
      definePlugin({
        ...minimal,
        async stop() {
          await nextTask();
          stopped = true;
        },
      }),
    );
    await connection.close();
    expect(stopped).toBe(true);
  });

  test("runs stop after the last call has ended", async () => {
    const events: string[] = [];
    const started = Promise.withResolvers<void>();
    const plugin = definePlugin({
      ...minimal,
      routes(router) {
        router.rpc(MarkdownService.method.render, async (_request, { signal }) => {
          started.resolve();
          await aborted(signal);
          await nextTask();
          events.push("the call has cleaned up");
          return {};
        });
      },
      stop: () => void events.push("stop"),
    });
    const connection = await connect(plugin);
    const call = rejection(connection.client(MarkdownService).render({}));
    await started.promise;
    await connection.close();
    await call;
    await vi.waitFor(() => expect(events).toHaveLength(2));
    expect(events).toEqual(["the call has cleaned up", "stop"]);
  });

  test("fails with PB-PLUGIN-START and the cause if start throws, and runs neither routes nor stop", async () => {
    const cause = new Error("the database is away");
    const routes = vi.fn();
    const stop = vi.fn();
    const plugin = definePlugin({ ...minimal, routes, start: () => Promise.reject(cause), stop });
    routes.mockClear();
    const error = await rejection(connect(plugin));
    expect(error).toBeInstanceOf(PlugboardError);
    expect(error).toMatchObject({ errorCode: "PB-PLUGIN-START", code: Code.FailedPrecondition, cause });
    expect((error as PlugboardError).rawMessage).toContain("plugin sample did not start");
    expect((error as PlugboardError).hint).not.toBe("");
    expect(routes).not.toHaveBeenCalled();
    expect(stop).not.toHaveBeenCalled();
  });

  test("aborts the signal if start throws, so that what start has begun with it ends", async () => {
    let seen: AbortSignal | undefined;
    const plugin = definePlugin({
      ...minimal,
      start({ signal }) {
        seen = signal;
        throw new Error("half way");
      },
    });
    await rejection(connect(plugin));
    expect(seen?.aborted).toBe(true);
  });

  test("stops again, with PB-PLUGIN-ROUTES, if routes throws only with the real configuration", async () => {
    const cause = new Error("max_document_bytes is too small");
    const stop = vi.fn();
    let signal: AbortSignal | undefined;
    const plugin = definePlugin({
      ...minimal,
      config: MarkdownConfigSchema,
      routes(_router, context: PluginContext<MarkdownConfig>) {
        if (context.config.maxDocumentBytes > 0) {
          signal = context.signal;
          throw cause;
        }
      },
      stop,
    });
    const error = await rejection(connect(plugin, { config: { maxDocumentBytes: 1 } }));
    expect(error).toMatchObject({ errorCode: "PB-PLUGIN-ROUTES", cause });
    expect(stop).toHaveBeenCalledOnce();
    expect(signal?.aborted).toBe(true);
  });

  test("says that routes threw, even if stop throws too", async () => {
    const plugin = definePlugin({
      ...minimal,
      config: MarkdownConfigSchema,
      routes(_router, { config }: PluginContext<MarkdownConfig>) {
        if (config.maxDocumentBytes > 0) {
          throw new Error("too small");
        }
      },
      stop() {
        throw new Error("nothing to stop");
      },
    });
    const error = await rejection(connect(plugin, { config: { maxDocumentBytes: 1 } }));
    expect(error).toMatchObject({ errorCode: "PB-PLUGIN-ROUTES" });
  });

  test("shares state between the calls of one connection, and not between two", async () => {
    const plugin = definePlugin({
      ...minimal,
      routes(router) {
        let calls = 0;
        router.service(MarkdownService, {
          render: () => ({ html: String(++calls) }),
          async *outline() {
            yield { text: String(++calls) };
          },
        });
      },
    });
    await using one = await connect(plugin);
    await using two = await connect(plugin);
    expect(await one.client(MarkdownService).render({})).toMatchObject({ html: "1" });
    expect(await Array.fromAsync(one.client(MarkdownService).outline({}))).toMatchObject([{ text: "2" }]);
    expect(await one.client(MarkdownService).render({})).toMatchObject({ html: "3" });
    expect(await two.client(MarkdownService).render({})).toMatchObject({ html: "1" });
  });
});

describe("a plugin's interceptors", () => {
  function recording(name: string, events: string[]): Interceptor {
    return (next) => async (request) => {
      events.push(`${name} before ${request.method.name}`);
      const response = await next(request);
      if (!response.stream) {
        events.push(`${name} after`);
        return response;
      }
      const { message } = response;
      async function* messages() {
        yield* message;
        events.push(`${name} after`);
      }
      return { ...response, message: messages() };
    };
  }

  function observed(events: string[], registerOptions?: { interceptors: Interceptor[] }) {
    return definePlugin({
      name: "observed",
      version: "1.0.0",
      interceptors: [recording("outer", events), recording("inner", events)],
      routes(router) {
        router.service(
          MarkdownService,
          {
            render() {
              events.push("handler");
              return {};
            },
            async *outline() {
              events.push("handler");
              yield {};
            },
            async assemble(requests) {
              events.push(`handler got ${(await Array.fromAsync(requests)).length}`);
              return {};
            },
            async *preview(requests) {
              for await (const _ of requests) {
                events.push("handler");
                yield {};
              }
            },
          },
          registerOptions,
        );
      },
    });
  }

  async function* twice() {
    yield {};
    yield {};
  }

  test("run around unary and streaming calls, in the order they stand", async () => {
    const events: string[] = [];
    await using connection = await connect(observed(events));
    const client = connection.client(MarkdownService);
    const around = (method: string, ...handler: string[]) => [
      `outer before ${method}`,
      `inner before ${method}`,
      ...handler,
      "inner after",
      "outer after",
    ];
    await client.render({});
    expect(events.splice(0)).toEqual(around("Render", "handler"));
    await Array.fromAsync(client.outline({}));
    expect(events.splice(0)).toEqual(around("Outline", "handler"));
    await client.assemble(twice());
    expect(events.splice(0)).toEqual(around("Assemble", "handler got 2"));
    await Array.fromAsync(client.preview(twice()));
    expect(events.splice(0)).toEqual(around("Preview", "handler", "handler"));
  });

  test("give way to those that a service was registered with, as in Connect", async () => {
    const events: string[] = [];
    await using connection = await connect(observed(events, { interceptors: [recording("own", events)] }));
    await connection.client(MarkdownService).render({});
    expect(events).toEqual(["own before Render", "handler", "own after"]);
  });

  test("run inside those of the caller", async () => {
    const events: string[] = [];
    await using connection = await connect(observed(events), { interceptors: [recording("caller", events)] });
    await connection.client(MarkdownService).render({});
    expect(events.at(0)).toBe("caller before Render");
    expect(events.at(-1)).toBe("caller after");
  });

  test("can refuse a call, and the caller sees their error", async () => {
    const refuse: Interceptor = () => () => {
      throw new ConnectError("who are you?", Code.Unauthenticated);
    };
    await using connection = await connect(definePlugin({ ...minimal, interceptors: [refuse] }));
    expect(await rejection(connection.client(MarkdownService).render({}))).toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: "who are you?",
    });
    expect(await rejection(Array.fromAsync(connection.client(MarkdownService).outline({})))).toMatchObject({
      code: Code.Unauthenticated,
    });
  });
});

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve());
  });
}
