import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client, ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection, Requirements } from "plugboard";
import { connect as connectPortably, definePlugin, isPlugboardError } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { clientError } from "../../src/client/errors.ts";
import type { ManifestSchema } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { Carrier, PluginService, Protocol } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { LocalServer, RpcServerOptions } from "../support/local-server.ts";
import { aborted, behaviourRoutes, startRpcServer } from "../support/local-server.ts";
import { rejection } from "../support/rejection.ts";
import type { LocalTtrpc } from "../support/ttrpc/local-ttrpc.ts";
import { serveTtrpc } from "../support/ttrpc/local-ttrpc.ts";

const manifest: MessageInitShape<typeof ManifestSchema> = {
  name: "sample",
  version: "1.0.0",
  protocolVersion: 1,
  protocolVersions: [1],
  endpoints: [
    { protocol: Protocol.CONNECT, carrier: Carrier.HTTP },
    ...[Protocol.GRPC, Protocol.CONNECT].flatMap((protocol) => [
      { protocol, carrier: Carrier.UNIX },
      { protocol, carrier: Carrier.TCP },
    ]),
  ],
};

const http = { place: "http", httpVersion: "1.1", manifest } as const satisfies RpcServerOptions;
const unix = { place: "unix", httpVersion: "2", manifest } as const satisfies RpcServerOptions;
const tcp = { place: "tcp", httpVersion: "2", manifest } as const satisfies RpcServerOptions;
const unixHttp1 = { place: "unix", httpVersion: "1.1", manifest } as const satisfies RpcServerOptions;
const http1: Requirements = { protocols: ["connect"], httpVersion: "1.1" };

/** Connections whose first route fails: the server of that route, and that of the next one. */
const fallbacks: readonly {
  readonly route: string;
  readonly connectBy: typeof connect;
  readonly from: RpcServerOptions;
  readonly to: RpcServerOptions;
  readonly require?: Requirements;
}[] = [
  { route: "from unix+grpc to http+connect", connectBy: connect, from: unix, to: http },
  { route: "from unix+grpc to tcp+grpc", connectBy: connect, from: unix, to: tcp },
  {
    route: "from unix+connect (HTTP/1.1) to http+connect",
    connectBy: connect,
    from: unixHttp1,
    to: http,
    require: http1,
  },
  { route: "from tcp+grpc to http+connect", connectBy: connect, from: tcp, to: http },
  { route: "from one http+connect to another", connectBy: connect, from: http, to: http },
  {
    route: "from one http+connect to another with the portable connect",
    connectBy: connectPortably,
    from: http,
    to: http,
  },
];

describe("when the server of the first route has gone", () => {
  type Call = (client: Client<typeof BehaviourService>) => Promise<unknown>;
  const calls: readonly [string, Call, object][] = [
    ["a unary call", (client) => client.inspect({}), {}],
    ["a side-effect-free unary call", (client) => client.echo({ text: "hi" }), { text: "hi" }],
    [
      "a server-streaming call",
      (client) => Array.fromAsync(client.produce({ count: 3, size: 1 })),
      [{ index: 0 }, { index: 1 }, { index: 2 }],
    ],
    [
      "a client-streaming call, with every message once and in order,",
      (client) => client.collect(each(1, 2, 3, 4)),
      { messages: 4, bytes: 1234n },
    ],
    ["a client-streaming call without messages", (client) => client.collect(each()), { messages: 0, bytes: 0n }],
  ];

  describe.each(fallbacks)("$route", ({ connectBy, from, to, require = {} }) => {
    test.each(calls)("%s goes to the next route", async (_what, call, reply) => {
      await using first = await startRpcServer(from);
      await using second = await startRpcServer(to);
      await using connection = await connectBy([first.address, second.address], { require });
      expect(connection.routes.unary.routes[0]?.endpoint.address.text).toBe(first.address);
      await first.takeAway();
      expect(await call(connection.client(BehaviourService))).toMatchObject(reply);
      expect(first.calls).toEqual([]);
      expect(second.calls).toHaveLength(1);
    });

    test("it fails with PB-DIAL-FAILED if fallback is off", async () => {
      await using first = await startRpcServer(from);
      await using second = await startRpcServer(to);
      await using connection = await connectBy([first.address, second.address], { require, fallback: false });
      await first.takeAway();
      const client = connection.client(BehaviourService);
      const failed = { errorCode: "PB-DIAL-FAILED", code: Code.Unavailable, hint: expect.stringMatching(/\w/) };
      await expect(client.inspect({})).rejects.toMatchObject(failed);
      await expect(Array.fromAsync(client.produce({ count: 1 }))).rejects.toMatchObject(failed);
      const messages = each(1, 2);
      await expect(client.collect(messages)).rejects.toMatchObject(failed);
      // The caller's iterator was ended before its first message was taken.
      expect(await messages.next()).toEqual({ done: true, value: undefined });
      expect(second.calls).toEqual([]);
    });

    test("it fails with PB-DIAL-FAILED if the next one has gone too", async () => {
      await using first = await startRpcServer(from);
      await using second = await startRpcServer(to);
      await using connection = await connectBy([first.address, second.address], { require });
      await first.takeAway();
      await second.takeAway();
      const error = await rejection(connection.client(BehaviourService).inspect({}));
      expect(error).toMatchObject({ errorCode: "PB-DIAL-FAILED" });
      expect(String(error)).toContain(second.address);
    });
  });

  test("a bidi-streaming call goes to the next route, with every message once", async () => {
    await using first = await startRpcServer(unix);
    await using second = await startRpcServer(tcp);
    await using connection = await connect([first.address, second.address]);
    await first.takeAway();
    async function* requests() {
      yield { text: "one" };
      yield { text: "two" };
    }
    const responses = await Array.fromAsync(connection.client(BehaviourService).converse(requests()));
    expect(responses).toMatchObject([{ text: "one" }, { text: "two" }]);
    expect([first.calls, second.calls]).toEqual([[], ["Converse"]]);
  });

  test("a call goes to the next route while another call still runs on the first", async () => {
    const goingAway = Promise.withResolvers<void>();
    await using first = await startRpcServer({
      ...unix,
      routes(router) {
        router.rpc(BehaviourService.method.produce, async function* (_request, { signal }) {
          yield { index: 0 };
          await goingAway.promise;
          yield { index: 1 };
          await aborted(signal);
        });
      },
    });
    await using second = await startRpcServer(http);
    await using connection = await connect([first.address, second.address]);
    const client = connection.client(BehaviourService);
    const responses = client.produce({})[Symbol.asyncIterator]();
    await responses.next();
    const gone = first.takeAway();
    goingAway.resolve();
    // What comes after GOAWAY shows that it has come.
    expect(await responses.next()).toMatchObject({ value: { index: 1 } });
    expect(await client.echo({ text: "hi" })).toMatchObject({ text: "hi" });
    expect(second.calls).toEqual(["Echo"]);
    await responses.return?.();
    await gone;
  });
});

describe("a call that has reached a plugin is not repeated", () => {
  /** Breaks the connection off when a call has come, so that its response is lost. */
  const losing = (router: ConnectRouter, server: LocalServer) => {
    const lose = () => {
      server.breakOff();
      return {};
    };
    router.rpc(BehaviourService.method.echo, lose);
    router.rpc(BehaviourService.method.inspect, lose);
    router.rpc(BehaviourService.method.collect, async (requests) => {
      for await (const _ of requests) {
        server.breakOff();
      }
      return {};
    });
    router.rpc(BehaviourService.method.produce, async function* () {
      server.breakOff();
      yield {};
    });
  };

  test.each(fallbacks)(
    "if the server hangs up before its response, $route",
    async ({ connectBy, from, to, require = {} }) => {
      await using first = await startRpcServer({ ...from, routes: losing });
      await using second = await startRpcServer(to);
      await using connection = await connectBy([first.address, second.address], { require });
      const client = connection.client(BehaviourService);
      for (const call of [
        () => client.echo({}),
        () => client.inspect({}),
        () => Array.fromAsync(client.produce({})),
        () => client.collect(each(1, 2, 3)),
      ]) {
        const error = await rejection(call());
        expect(error).toBeInstanceOf(ConnectError);
        expect(isPlugboardError(error, "PB-DIAL-FAILED")).toBe(false);
      }
      // Echo has no side effects: on a connection of HTTP/1.1 that was used before, its loss may be no more than an end come late.
      expect(first.calls.filter((name) => name !== "Echo")).toEqual(["Inspect", "Produce", "Collect"]);
      expect(second.calls).toEqual([]);
    },
  );

  test("if its handler fails with an error that says that nothing could be reached", async () => {
    const unreachable = vi.fn(() => {
      throw clientError("PB-DIAL-FAILED", "the plugin's own backend is away");
    });
    const plugin = definePlugin({
      name: "sample",
      version: "1.0.0",
      routes(router) {
        router.rpc(BehaviourService.method.echo, unreachable);
        router.rpc(BehaviourService.method.produce, unreachable);
      },
    });
    await using second = await startRpcServer(http);
    await using connection = await connect([plugin, second.address]);
    const client = connection.client(BehaviourService);
    expect(await rejection(client.echo({}))).toMatchObject({ code: Code.Internal });
    expect(await rejection(Array.fromAsync(client.produce({})))).toMatchObject({ code: Code.Internal });
    expect(unreachable).toHaveBeenCalledTimes(2);
    expect(second.calls).toEqual([]);
  });

  const troubles: readonly [string, () => Error][] = [
    ["its own refused connection", () => Object.assign(new Error("connect ECONNREFUSED"), { syscall: "connect" })],
    ["another connection's PB-DIAL-FAILED", () => clientError("PB-DIAL-FAILED", "nothing responds elsewhere")],
  ];
  describe.each(fallbacks)("$route", ({ connectBy, from, to, require = {} }) => {
    test.each(troubles)("if the caller's messages end with %s", async (_what, trouble) => {
      const taken = Promise.withResolvers<void>();
      await using first = await startRpcServer({
        ...from,
        routes(router) {
          router.rpc(BehaviourService.method.collect, async (requests) => {
            for await (const _ of requests) {
              taken.resolve();
            }
            return {};
          });
        },
      });
      await using second = await startRpcServer(to);
      await using connection = await connectBy([first.address, second.address], { require });
      async function* requests() {
        yield { data: Uint8Array.of(1) };
        await taken.promise;
        throw trouble();
      }
      await rejection(connection.client(BehaviourService).collect(requests()));
      expect([first.calls, second.calls]).toEqual([["Collect"], []]);
    });
  });
});

describe("a message that the first route does not take", () => {
  const mebibyte = 1024 * 1024;
  const data = new Uint8Array(5 * mebibyte);
  const limitedTo = (mebibytes: number) => ({
    ...manifest,
    limits: { maxMessageBytes: BigInt(mebibytes * mebibyte), maxConcurrentStreams: 100 },
  });
  const ttrpc = (extensions: string[], mebibytes: number) =>
    serveTtrpc(
      (router) => {
        router.service(PluginService, {
          describe: () => ({
            manifest: {
              ...limitedTo(mebibytes),
              endpoints: [{ protocol: Protocol.TTRPC, carrier: Carrier.UNIX, extensions }],
            },
          }),
        });
        router.rpc(BehaviourService.method.echo, ({ text, data }) => ({ text: text || "ttrpc", data }));
        router.rpc(BehaviourService.method.produce, async function* () {
          yield { index: 7 };
        });
        router.rpc(BehaviourService.method.collect, async (requests) => {
          await Array.fromAsync(requests);
          return {};
        });
      },
      { maxMessageBytes: mebibytes * mebibyte },
    );
  const stream = "plugboard.stream.v1";
  const firsts: readonly [string, () => Promise<{ readonly address: string } & AsyncDisposable>][] = [
    ["ttrpc without plugboard.chunk.v1", async () => addressed(await ttrpc([stream], 16))],
    ["plain ttrpc", async () => addressed(await ttrpc([], 16))],
    ["ttrpc of a server with a lower limit", async () => addressed(await ttrpc([stream, "plugboard.chunk.v1"], 4))],
    ["gRPC of a server with a lower limit", () => startRpcServer({ ...unix, manifest: limitedTo(4) })],
  ];

  test.each(firsts)("goes to the next that does, and was never sent: %s", async (_what, start) => {
    await using first = await start();
    await using second = await startRpcServer({ ...http, manifest: limitedTo(16) });
    await using connection = await connect([first.address, second.address], { maxMessageBytes: 16 * mebibyte });
    const client = connection.client(BehaviourService);
    expect((await client.echo({ data })).data).toHaveLength(data.length);
    expect(await Array.fromAsync(client.produce({ id: "x".repeat(5 * mebibyte), count: 2 }))).toHaveLength(2);
    expect(second.calls).toEqual(["Echo", "Produce"]);
    // Others go where they went.
    expect(await client.echo({})).toMatchObject({});
    expect(second.calls).toHaveLength(2);
  });

  test("fails if none does, and the largest limit is named", async () => {
    await using first = await ttrpc([stream], 16);
    await using second = await ttrpc([stream, "plugboard.chunk.v1"], 6);
    await using third = await ttrpc([stream, "plugboard.chunk.v1"], 5);
    const targets = [first, second, third].map(({ path }) => `unix:${path}`);
    await using connection = await connect(targets);
    const client = connection.client(BehaviourService);
    const error = await rejection(client.echo({ data: new Uint8Array(7 * mebibyte) }));
    expect(error).toMatchObject({
      code: Code.ResourceExhausted,
      errorCode: "PB-MESSAGE-TOO-LARGE",
      rawMessage: expect.stringContaining(`${6 * mebibyte}`),
      hint: expect.stringMatching(/limits\.maxMessageBytes.*require/),
    });
    expect((await client.echo({})).text).toBe("ttrpc");
  });

  test("fails without `fallback`, and within a stream, of which something was taken", async () => {
    await using first = await ttrpc([stream], 16);
    await using second = await startRpcServer({ ...http, manifest: limitedTo(16) });
    const targets = [`unix:${first.path}`, second.address];
    await using strict = await connect(targets, { fallback: false });
    expect(await rejection(strict.client(BehaviourService).echo({ data }))).toMatchObject({
      errorCode: "PB-MESSAGE-TOO-LARGE",
    });
    await using connection = await connect(targets);
    async function* requests() {
      yield { data };
    }
    expect(await rejection(connection.client(BehaviourService).collect(requests()))).toMatchObject({
      code: Code.ResourceExhausted,
    });
    expect(second.calls).toEqual([]);
  });
});

/** A ttrpc server with its address as connect() takes it. */
function addressed(server: LocalTtrpc): { readonly address: string } & AsyncDisposable {
  return { address: `unix:${server.path}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test("a call whose signal is aborted does not go to the next route", async () => {
  await using first = await startRpcServer(unix);
  await using second = await startRpcServer(http);
  await using connection: Connection = await connect([first.address, second.address]);
  const controller = new AbortController();
  const call = rejection(connection.client(BehaviourService).hang({}, { signal: controller.signal }));
  await vi.waitFor(() => expect(first.calls).toEqual(["Hang"]));
  controller.abort();
  expect(await call).toMatchObject({ code: Code.Canceled });
  expect(second.calls).toEqual([]);
});

test("a plugin in this process needs no fallback, and its neighbour is never called", async () => {
  await using second = await startRpcServer(http);
  const plugin = definePlugin({ name: "sample", version: "1.0.0", routes: behaviourRoutes });
  await using connection = await connect([second.address, plugin]);
  const client = connection.client(BehaviourService);
  expect(await client.inspect({})).toMatchObject({ protocol: "memory" });
  expect(await client.collect(each(1, 2))).toMatchObject({ bytes: 12n });
  expect(second.calls).toEqual([]);
});

async function* each(...numbers: number[]) {
  for (const number of numbers) {
    yield { data: Uint8Array.of(number) };
  }
}
