import { definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { aborted, startRpcServer } from "../../support/local-server.ts";

const { echo, produce } = BehaviourService.method;

async function* requests<T>(...messages: T[]) {
  yield* messages;
}

/** A plugin whose streams end only when they are ended, at the places where a connection can find it. */
async function start(place: "memory" | "unix+grpc" | "http+connect") {
  const ended: string[] = [];
  const routes = (router: Parameters<Parameters<typeof definePlugin>[0]["routes"]>[0]) =>
    router.rpc(produce, async function* (_request, { signal }) {
      try {
        yield { index: 1 };
        await aborted(signal);
      } finally {
        ended.push("produce");
      }
    });
  if (place === "memory") {
    const connection = await connect(definePlugin({ name: "sample", version: "1.0.0", routes }));
    return { connection, ended, [Symbol.asyncDispose]: () => connection.close() };
  }
  const server = await startRpcServer(
    place === "unix+grpc" ? { place: "unix", httpVersion: "2", routes } : { place: "http", httpVersion: "1.1", routes },
  );
  const connection = await connect(server.address, place === "unix+grpc" ? { require: { protocols: ["grpc"] } } : {});
  return {
    connection,
    ended,
    async [Symbol.asyncDispose]() {
      await connection.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe.each(["memory", "unix+grpc", "http+connect"] as const)("connection.transport over %s", (place) => {
  test("cancels a call whose response is left early", async () => {
    await using started = await start(place);
    const { connection, ended } = started;
    expect(connection.routes.server_streaming.routes[0]?.name).toBe(place);
    const response = await connection.transport.stream(produce, undefined, undefined, undefined, requests({}));
    for await (const { index } of response.message) {
      expect(index).toBe(1);
      break;
    }
    await vi.waitFor(() => expect(ended).toEqual(["produce"]));
  });

  test("ends a call whose response no one reads when the connection is closed", async () => {
    await using started = await start(place);
    const { connection, ended } = started;
    const response = await connection.transport.stream(produce, undefined, undefined, undefined, requests({}));
    await connection.close();
    await vi.waitFor(() => expect(ended).toEqual(["produce"]));
    await expect(Array.fromAsync(response.message)).rejects.toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
  });

  test("passes the error of a failing input on, and listens no more to the caller's signal", async () => {
    await using started = await start(place);
    const { signal } = new AbortController();
    let listeners = 0;
    vi.spyOn(signal, "addEventListener").mockImplementation(() => {
      listeners += 1;
    });
    vi.spyOn(signal, "removeEventListener").mockImplementation(() => {
      listeners -= 1;
    });
    async function* failing(): AsyncGenerator<object> {
      yield {};
      throw new Error("the caller's own trouble");
    }
    const { transport } = started.connection;
    await expect(transport.stream(produce, signal, undefined, undefined, failing())).rejects.toThrow(
      "the caller's own trouble",
    );
    expect(listeners).toBe(0);
  });
});

test("a message that does not fit the contract fails on the caller's side, and says how", async () => {
  const plugin = definePlugin({
    name: "sample",
    version: "1.0.0",
    routes: (router) => router.rpc(echo, ({ text }) => ({ text })),
  });
  await using connection = await connect(plugin);
  const call = connection.client(BehaviourService).echo({ text: 42 as unknown as string });
  await expect(call).rejects.toThrow("plugboard.test.v1.EchoRequest.text: expected a string, got the number 42");
});
