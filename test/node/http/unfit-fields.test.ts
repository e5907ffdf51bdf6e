import type { Client } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { definePlugin } from "plugboard";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Listener } from "../../../src/node/listen/listener.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import { BehaviourService, EchoRequestSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** The values for the handlers to put into headers, trailers and errors. */
let wanted: { name?: string; value?: string; message?: string; detail?: string } = {};

function fields() {
  return { "x-fine": "fine", [wanted.name ?? "x-other"]: wanted.value ?? "x" };
}

function error() {
  const details = wanted.detail === undefined ? [] : [{ desc: EchoRequestSchema, value: { text: wanted.detail } }];
  return new ConnectError(wanted.message ?? "as asked", Code.NotFound, fields(), details);
}

const unfit = definePlugin({
  name: "unfit",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, {
      echo(_, { responseHeader, responseTrailer }) {
        for (const [name, value] of Object.entries(fields())) {
          responseHeader.set(name, value);
          responseTrailer.set(name, value);
        }
        return { text: "said" };
      },
      fail() {
        throw error();
      },
      async *produce() {
        yield { index: 1 };
        throw error();
      },
    });
  },
});

let listener: Listener;
let baseUrl: string;
beforeAll(async () => {
  listener = await listen(await startPlugin(unfit), { carrier: "tcp", host: "127.0.0.1", port: 0 }, {});
  baseUrl = listener.address.carrier === "tcp" ? `http://127.0.0.1:${listener.address.port}` : "";
});
afterAll(() => listener.drain(0));

async function failure(call: () => Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(
    await call().then(
      () => "no error",
      (error: unknown) => error,
    ),
  );
}

async function endOf(messages: AsyncIterable<unknown>) {
  for await (const _ of messages) {
    // What counts is how it ends.
  }
}

describe.each([
  ["gRPC", () => createGrpcTransport({ baseUrl })],
  ["gRPC-Web over HTTP/1.1", () => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC-Web over HTTP/2", () => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect over HTTP/1.1", () => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ["Connect over HTTP/2", () => createConnectTransport({ baseUrl, httpVersion: "2" })],
])("over %s", (_, transport) => {
  let client: Client<typeof BehaviourService>;
  beforeAll(() => {
    client = createClient(BehaviourService, transport());
  });

  test.for([
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "http2-settings",
    "content-length",
    "host",
    "trailer",
  ])("%s, which belongs to a connection, harms neither a response nor an error", async (name) => {
    wanted = { name };
    let headers = new Headers();
    const onHeader = (header: Headers) => {
      headers = header;
    };
    const response = await client.echo({}, { onHeader });
    expect(response.text).toBe("said");
    expect(headers.get("x-fine")).toBe("fine");
    expect(headers.get(name)).not.toBe("x");
    for (const call of [() => client.fail({}), () => endOf(client.produce({}))]) {
      const error = await failure(call);
      expect([error.code, error.rawMessage, error.metadata.get("x-fine")]).toEqual([Code.NotFound, "as asked", "fine"]);
    }
  });

  test.for([
    ["a message", { message: "x".repeat(40_000) }],
    ["a long message", { message: "x".repeat(100_000) }],
    ["a long message beyond ASCII", { message: "😀".repeat(30_000) }],
    ["details", { detail: "x".repeat(100_000) }],
    ["both", { message: "x".repeat(100_000), detail: "x".repeat(100_000) }],
    ["metadata", { value: "x".repeat(100_000) }],
  ] as const)("an error whose %s fits into no header keeps its code, and harms no other call", async ([_, own]) => {
    wanted = own;
    for (const call of [() => client.fail({}), () => endOf(client.produce({}))]) {
      const [error, other] = await Promise.all([failure(call), failure(() => endOf(client.produce({})))]);
      for (const each of [error, other]) {
        expect(each.code).toBe(Code.NotFound);
        const whole = "message" in own ? own.message : "as asked";
        expect(whole.startsWith(each.rawMessage)).toBe(true);
        expect(each.rawMessage.length).toBeGreaterThan(5);
      }
    }
  });

  test("headers and trailers that are too long are left out, and the message arrives", async () => {
    wanted = { value: "x".repeat(100_000) };
    expect((await client.echo({})).text).toBe("said");
  });

  test("details of an error whose message is cut arrive if they fit themselves", async () => {
    wanted = { message: "x".repeat(100_000), detail: "a detail" };
    const error = await failure(() => client.fail({}));
    expect(error.findDetails(EchoRequestSchema)).toMatchObject([{ text: "a detail" }]);
  });
});
