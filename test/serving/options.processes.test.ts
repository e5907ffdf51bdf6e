import { MessageChannel } from "node:worker_threads";
import type { CallOptions } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { definePlugin, serveOn } from "plugboard";
import { edge } from "plugboard/edge";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { AccessService } from "../gen/plugboard/test/v1/access_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { startStandalone } from "../support/standalone.ts";
import type { Choice } from "./fixtures/choices.ts";
import { choices, plugin, secret } from "./fixtures/choices.ts";

/** A plugin that is served with some options, and a connection to it. */
interface Served extends AsyncDisposable {
  readonly connection: Connection;
  /** Sends a request over HTTP. Missing where there is no HTTP. */
  readonly fetch?: (path: string, init: RequestInit) => Promise<Response>;
}

/** A token goes with the question what the plugin is, too: a plugin with `auth` tells no other callers. */
const connectOptions = (choice: Choice) => (choice === "auth" ? { token: secret } : {});

/** The places where a plugin can be served, each with the options that mean something there. */
const places = {
  async serve(choice: Choice): Promise<Served> {
    const command = ["node", "--conditions=plugboard-source", "test/serving/fixtures/serve.ts"] as const;
    const process = await startStandalone(command, "tcp:127.0.0.1:0", { CHOICE: choice });
    const address = process.address.replace("tcp:", "http://");
    const connection = await connect(address, connectOptions(choice));
    return {
      connection,
      fetch: (path, init) => fetch(address + path, init),
      async [Symbol.asyncDispose]() {
        await connection.close();
        await process.stop();
      },
    };
  },
  async edge(choice: Choice): Promise<Served> {
    const app = edge(plugin, choices[choice]);
    const ask = async (path: string, init: RequestInit) => app.request(path, init);
    const connection = await connect("http://127.0.0.1", {
      ...connectOptions(choice),
      fetch: async (...request) => app.fetch(new Request(...request)),
    });
    return { connection, fetch: ask, [Symbol.asyncDispose]: () => connection.close() };
  },
  async serveOn(choice: Exclude<Choice, "origins">): Promise<Served> {
    const { port1, port2 } = new MessageChannel();
    const served = await serveOn(plugin, port1, choices[choice]);
    const connection = await connect(port2, connectOptions(choice));
    return {
      connection,
      async [Symbol.asyncDispose]() {
        await connection.close();
        await served.close();
      },
    };
  },
  /** Its caller is the program that it is a part of: nothing stands between them that could refuse a call. */
  async "connect(plugin)"(choice: "nothing" | "observers" | "services" | "noServices"): Promise<Served> {
    const connection = await connect(plugin, choices[choice]);
    return { connection, [Symbol.asyncDispose]: () => connection.close() };
  },
};

const { "connect(plugin)": inProcess, ...guarded } = places;
const onWires = Object.entries(guarded);
const everywhere = Object.entries(places);

function echo({ connection }: Served, text: string, options?: CallOptions) {
  return connection.client(BehaviourService).echo({ text }, options);
}

async function failure(promise: Promise<unknown>): Promise<ConnectError> {
  return promise.then(
    () => expect.unreachable("the call went well"),
    (error: unknown) => ConnectError.from(error),
  );
}

describe.each(onWires)("%s", (_name, open) => {
  test("auth lets in callers with a token alone", async () => {
    await using served = await open("auth");
    expect(await echo(served, "hi")).toMatchObject({ text: "hi" });
    const headers = { Authorization: "Bearer some-other-token-of-16" };
    expect(await failure(echo(served, "hi", { headers }))).toMatchObject({ code: Code.Unauthenticated });
  });

  test("rateLimit refuses the call beyond it", async () => {
    await using served = await open("rateLimit");
    expect(await echo(served, "hi")).toMatchObject({ text: "hi" });
    expect(await failure(echo(served, "hi"))).toMatchObject({ code: Code.ResourceExhausted });
  });

  test("limits refuse the message beyond them, and the manifest tells them", async () => {
    await using served = await open("limits");
    expect(served.connection.manifest?.limits?.maxMessageBytes).toBe(100n);
    expect(await failure(echo(served, "x".repeat(200)))).toMatchObject({ code: Code.ResourceExhausted });
  });

  test("revealErrors tells callers what handlers throw, which they are not told otherwise", async () => {
    const fail = ({ connection }: Served) => failure(connection.client(BehaviourService).fail({}));
    await using open1 = await open("revealErrors");
    expect((await fail(open1)).rawMessage).toContain("the database is down");
    await using closed = await open("nothing");
    expect((await fail(closed)).rawMessage).toBe("internal error");
  });

  test("health is served unless the services leave it out, reflection if they name it", async () => {
    const health = ({ connection }: Served) => connection.client(Health).check({});
    await using byDefault = await open("nothing");
    expect(await health(byDefault)).toMatchObject({ status: 1 });
    await using none = await open("noServices");
    expect(await failure(health(none))).toMatchObject({ code: Code.Unimplemented });
    expect(await reflects(none)).toBe(false);
    await using named = await open("services");
    expect(await reflects(named)).toBe(true);
  });
});

test.each(everywhere)("observers of %s see the call", async (_name, open) => {
  await using served = await open("observers");
  const seen: (string | null)[] = [];
  await echo(served, "hi", { onHeader: (header) => seen.push(header.get("Observed")) });
  expect(seen).toEqual(["yes"]);
});

test("a plugin in the same process serves the services that it is given", async () => {
  await using named = await inProcess("services");
  expect(await reflects(named)).toBe(true);
  await using none = await inProcess("nothing");
  expect(await failure(none.connection.client(Health).check({}))).toMatchObject({ code: Code.Unimplemented });
});

test.each([
  ["serve", places.serve],
  ["edge", places.edge],
] as const)("origins of %s let in pages of theirs alone", async (_name, open) => {
  await using served = await open("origins");
  const preflight = async (origin: string) => {
    const headers = { Origin: origin, "Access-Control-Request-Method": "POST" };
    const path = `/${BehaviourService.typeName}/Echo`;
    const response = await served.fetch?.(path, { method: "OPTIONS", headers });
    return response?.headers.get("Access-Control-Allow-Origin");
  };
  expect(await preflight("https://app.example")).toBe("https://app.example");
  expect(await preflight("https://other.example")).toBeNull();
});

const scoped = definePlugin({
  name: "scoped",
  version: "1.0.0",
  routes: (router) => router.service(AccessService, {}),
});

test.each([
  ["edge", async (): Promise<unknown> => edge(scoped)],
  ["serveOn", () => serveOn(scoped, new MessageChannel().port1)],
] as const)("%s serves no contract that requires scopes without auth", async (_name, serve) => {
  await expect(serve()).rejects.toThrow("PB-ACCESS-UNGUARDED");
});

test("a program may call a contract that requires scopes in its own process", async () => {
  await using connection = await connect(scoped);
  expect(await failure(connection.client(AccessService).write({}))).toMatchObject({ code: Code.Unimplemented });
});

/** Whether callers can ask what there is to call. By a fetch that can only be seen from what is refused otherwise than with 404. */
async function reflects({ connection, fetch: ask }: Served): Promise<boolean> {
  if (ask !== undefined) {
    const headers = { "Content-Type": "application/json" };
    const path = `/${ServerReflection.typeName}/ServerReflectionInfo`;
    const { status } = await ask(path, { method: "POST", headers, body: "{}" });
    return status !== 404;
  }
  async function* requests() {
    yield { messageRequest: { case: "listServices" as const, value: "" } };
  }
  try {
    for await (const { messageResponse } of connection.client(ServerReflection).serverReflectionInfo(requests())) {
      return messageResponse.case === "listServicesResponse";
    }
  } catch (error) {
    expect(error).toMatchObject({ code: Code.Unimplemented });
  }
  return false;
}
