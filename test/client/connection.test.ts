import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Connection, Requirements } from "plugboard";
import { connect as connectPortably, definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import type { ManifestSchema } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { Carrier, Protocol } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { LocalRpcServer, RpcServerOptions } from "../support/local-server.ts";
import { aborted, behaviourRoutes, startRpcServer } from "../support/local-server.ts";
import { rejection } from "../support/rejection.ts";

const manifest: MessageInitShape<typeof ManifestSchema> = {
  name: "sample",
  version: "1.0.0",
  protocolVersion: 1,
  protocolVersions: [1],
  endpoints: [
    { protocol: Protocol.CONNECT, carrier: Carrier.HTTP },
    { protocol: Protocol.GRPC, carrier: Carrier.UNIX },
    { protocol: Protocol.CONNECT, carrier: Carrier.UNIX },
  ],
};

const overHttp: RpcServerOptions = { place: "http", httpVersion: "1.1", manifest };
const overUnix: RpcServerOptions = { place: "unix", httpVersion: "2", manifest };
const overUnixHttp1: RpcServerOptions = { place: "unix", httpVersion: "1.1", manifest };
const http1: Requirements = { protocols: ["connect"], httpVersion: "1.1" };

describe("close", () => {
  describe.each<[string, { connectBy: typeof connect; options: RpcServerOptions; requirements: Requirements }]>([
    ["unix+grpc", { connectBy: connect, options: overUnix, requirements: {} }],
    ["unix+connect (HTTP/1.1)", { connectBy: connect, options: overUnixHttp1, requirements: http1 }],
    ["http+connect", { connectBy: connect, options: overHttp, requirements: {} }],
    ["http+connect of the portable connect", { connectBy: connectPortably, options: overHttp, requirements: {} }],
  ])("over %s", (name, { connectBy, options, requirements }) => {
    test("ends calls in flight with PB-CONNECTION-CLOSED, and their handlers", async () => {
      const ended: string[] = [];
      await using server = await startRpcServer({
        ...options,
        routes(router) {
          router.rpc(BehaviourService.method.hang, async (_request, { signal }) => {
            await aborted(signal);
            ended.push("hang");
            return {};
          });
          router.rpc(BehaviourService.method.produce, async function* (_request, { signal }) {
            yield {};
            await aborted(signal);
            ended.push("produce");
          });
        },
      });
      const connection = await connectBy(server.address, { require: requirements });
      expect(name).toContain(connection.routes.unary.routes[0]?.name);
      const client = connection.client(BehaviourService);
      const call = rejection(client.hang({}));
      const responses = client.produce({})[Symbol.asyncIterator]();
      expect((await responses.next()).done).toBe(false);
      const stream = rejection(responses.next());
      await vi.waitFor(() => expect(server.calls).toContain("Hang"));
      await connection.close();
      expect([await call, await stream]).toMatchObject(new Array(2).fill({ errorCode: "PB-CONNECTION-CLOSED" }));
      await vi.waitFor(() => expect(ended.toSorted()).toEqual(["hang", "produce"]));
      if (connectBy === connect) {
        // Fetch keeps connections of its own.
        await vi.waitFor(() => expect(server.sockets.size).toBe(0));
      }
    });
  });

  test("ends calls in flight in this process, and their handlers", async () => {
    const finished: string[] = [];
    const started = Promise.withResolvers<void>();
    const plugin = definePlugin({
      name: "sample",
      version: "1.0.0",
      routes(router) {
        router.rpc(BehaviourService.method.hang, async (_request, { signal }) => {
          started.resolve();
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          finished.push("hang");
          return {};
        });
        router.rpc(BehaviourService.method.produce, async function* () {
          try {
            yield { index: 0 };
            yield { index: 1 };
          } finally {
            finished.push("produce");
          }
        });
      },
    });
    const connection = await connect(plugin);
    const client = connection.client(BehaviourService);
    const call = rejection(client.hang({}));
    const responses = client.produce({})[Symbol.asyncIterator]();
    await responses.next();
    await started.promise;
    await connection.close();
    expect(await call).toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
    expect(await rejection(responses.next())).toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
    expect(finished.toSorted()).toEqual(["hang", "produce"]);
  });

  test("makes later calls fail with PB-CONNECTION-CLOSED, of all kinds, and closes the caller's iterators", async () => {
    const connection = await connect(definePlugin({ name: "sample", version: "1.0.0", routes: behaviourRoutes }));
    await connection.close();
    const client = connection.client(BehaviourService);
    const closed = { errorCode: "PB-CONNECTION-CLOSED", code: Code.Canceled, hint: expect.stringMatching(/\w/) };
    await expect(client.echo({})).rejects.toMatchObject(closed);
    await expect(Array.fromAsync(client.produce({ count: 1 }))).rejects.toMatchObject(closed);
    const requests = () => {
      const end = vi.fn(async () => ({ done: true as const, value: undefined }));
      return { end, [Symbol.asyncIterator]: () => ({ next: end, return: end }) };
    };
    const collected = requests();
    await expect(client.collect(collected)).rejects.toMatchObject(closed);
    const conversed = requests();
    await expect(Array.fromAsync(client.converse(conversed))).rejects.toMatchObject(closed);
    expect(collected.end).toHaveBeenCalled();
    expect(conversed.end).toHaveBeenCalled();
  });

  test("can be called again and at the same time, and gives one and the same promise", async () => {
    await using server = await startRpcServer(overUnix);
    const connection = await connect(server.address);
    const closing = connection.close();
    expect(connection.close()).toBe(closing);
    expect(connection[Symbol.asyncDispose]()).toBe(closing);
    await closing;
    expect(connection.close()).toBe(closing);
  });

  test("gives calls the reason that it was given, and keeps to the first one", async () => {
    await using server = await startRpcServer(overHttp);
    const connection = await connect(server.address);
    const reason = new Error("the plugin was unloaded");
    await connection.close(reason);
    await connection.close(new Error("another reason"));
    await expect(
      connection.transport.unary(BehaviourService.method.echo, undefined, undefined, undefined, {}),
    ).rejects.toBe(reason);
  });
});

describe("side-effect-free calls over http", () => {
  /** A server that notes how Connect's requests come. */
  async function watched(): Promise<{ server: LocalRpcServer; requests: string[] }> {
    const requests: string[] = [];
    const server = await startRpcServer({
      ...overHttp,
      intercept(request) {
        requests.push(`${request.method} ${request.url?.split("?")[0]?.split("/").at(-1)}`);
        return false;
      },
    });
    return { server, requests };
  }

  test.each([
    ["plugboard/node", connect],
    ["plugboard", connectPortably],
  ])("are GETs if their message is short, and POSTs if it is long: %s", async (_name, connectBy) => {
    const { server, requests } = await watched();
    await using _server = server;
    await using connection = await connectBy(server.address);
    expect(requests.splice(0)).toEqual(["GET Describe"]);
    const client = connection.client(BehaviourService);
    // 3 KiB with the tag and length of the field, which take three bytes; bytes count, not characters.
    for (const text of ["", "short", "a".repeat(3069), "a".repeat(3070), "ü".repeat(1535), "a".repeat(100_000)]) {
      expect((await client.echo({ text })).text).toBe(text);
    }
    expect(requests).toEqual(["GET Echo", "GET Echo", "GET Echo", "POST Echo", "POST Echo", "POST Echo"]);
  });

  test("are the only GETs: others are POSTs, however short", async () => {
    const { server, requests } = await watched();
    await using _server = server;
    await using connection = await connect(server.address);
    const client = connection.client(BehaviourService);
    await client.inspect({});
    await Array.fromAsync(client.produce({ count: 1 }));
    expect(requests.slice(1)).toEqual(["POST Inspect", "POST Produce"]);
  });
});

describe("a redirect", () => {
  const credentials: Interceptor = (next) => (request) => {
    request.header.set("Authorization", "Bearer swordfish");
    return next(request);
  };

  test.each([
    ["plugboard/node", connect],
    ["plugboard", connectPortably],
  ])("is not followed, so that credentials stay where they belong: %s", async (_name, connectBy) => {
    await using elsewhere = await startRpcServer(overHttp);
    let redirecting = false;
    let seen = 0;
    await using server = await startRpcServer({
      ...overHttp,
      intercept(request, response) {
        seen += request.headers.authorization === "Bearer swordfish" ? 1 : 0;
        if (redirecting) {
          response.writeHead(307, { Location: elsewhere.address + request.url }).end();
        }
        return redirecting;
      },
    });
    await using connection = await connectBy(server.address, { interceptors: [credentials] });
    redirecting = true;
    await expect(connection.client(BehaviourService).echo({ text: "short" })).rejects.toThrow();
    await expect(connection.client(BehaviourService).inspect({})).rejects.toThrow();
    await expect(connectBy(server.address, { interceptors: [credentials] })).rejects.toMatchObject({
      errorCode: "PB-CONNECT-UNREACHABLE",
    });
    expect(seen).toBeGreaterThanOrEqual(4);
    expect(elsewhere.sockets.size).toBe(0);
    expect(elsewhere.calls).toEqual([]);
  });
});

test("a method for which there is no route fails with PB-ROUTE-NONE, the reasons and a hint", async () => {
  await using server = await startRpcServer(overHttp);
  await using connection: Connection = await connect(server.address);
  async function* requests() {
    yield {};
  }
  const call = Array.fromAsync(connection.client(BehaviourService).converse(requests()));
  const error = await rejection(call);
  expect(error).toMatchObject({ errorCode: "PB-ROUTE-NONE", code: Code.Unimplemented });
  expect(String(error)).toContain("plugboard.test.v1.BehaviourService/Converse, which is bidi-streaming");
  expect(String(error)).toContain(`connect at ${server.address}: proxies on the way`);
  expect(server.calls).toEqual([]);
});

test("a call whose one request never comes ends at its deadline, and when it is cancelled", async () => {
  await using server = await startRpcServer(overHttp);
  await using connection: Connection = await connect(server.address);
  const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const call = (signal: AbortSignal | undefined, timeoutMs: number | undefined) =>
    rejection(connection.transport.stream(BehaviourService.method.produce, signal, timeoutMs, undefined, never));
  expect(await call(undefined, 1)).toMatchObject({ code: Code.DeadlineExceeded });
  expect(await call(AbortSignal.abort(), undefined)).toMatchObject({ code: Code.Canceled });
  expect(server.calls).toEqual([]);
});
