import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import plugin from "../behaviour/plugin.ts";
import {
  EchoRequestSchema,
  EchoResponseSchema,
  FailRequestSchema,
  ProduceRequestSchema,
} from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../support/local-listener.ts";
import { startWorker } from "../support/local-worker.ts";

const text = "application/grpc-web-text";
const binary = "application/grpc-web+proto";

function envelope(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

const echo = (data: Uint8Array) => envelope(toBinary(EchoRequestSchema, create(EchoRequestSchema, { data })));

/** The envelopes of a response: messages, and at last the trailers. */
function envelopes(bytes: Buffer) {
  const messages: Buffer[] = [];
  let trailers = "";
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    const content = bytes.subarray(at + 5, end);
    if (((bytes[at] ?? 0) & 0x80) === 0) {
      messages.push(content);
    } else {
      trailers += content.toString();
    }
    at = end;
  }
  return { messages, trailers };
}

/** Decodes each padded piece by itself. */
function decode(body: string): Buffer {
  const pieces = body.match(/[^=]+={0,2}/g) ?? [];
  expect(pieces.every((piece) => piece.length % 4 === 0)).toBe(true);
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64")));
}

describe.each([
  {
    server: "a plugin process",
    async start() {
      const listener = await listenLocally(plugin, "tcp", { limits: { maxBodyBytes: 1024 * 1024 } });
      return {
        url: listener.address.replace("tcp:", "http://"),
        stop: async () => await listener[Symbol.asyncDispose](),
      };
    },
  },
  {
    server: "a Worker",
    start: () => startWorker("test/browser/behaviour-worker.ts", { PAGE_ORIGIN: "https://page.example" }),
  },
])("grpc-web-text, served by $server,", ({ start }) => {
  let server: { readonly url: string; stop(): Promise<unknown> };
  beforeAll(async () => {
    server = await start();
  }, 60_000);
  afterAll(() => server?.stop());

  async function call(method: string, body: BodyInit, headers: Record<string, string> = {}) {
    const response = await fetch(`${server.url}/plugboard.test.v1.BehaviourService/${method}`, {
      method: "POST",
      headers: { "Content-Type": text, ...headers },
      body,
    });
    const type = response.headers.get("Content-Type");
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, type, ...envelopes(type?.includes("-text") ? decode(String(bytes)) : bytes) };
  }

  const dataOf = (message: Buffer | undefined) => fromBinary(EchoResponseSchema, message ?? Buffer.alloc(0)).data;

  test.each([0, 1, 2, 3, 100_000])("carries %i bytes both ways", async (length) => {
    const data = Uint8Array.from({ length }, (_, index) => index * 7);
    const reply = await call("Echo", echo(data).toString("base64"));
    expect(reply).toMatchObject({ status: 200, type: "application/grpc-web-text+proto" });
    expect(reply.trailers).toContain("grpc-status: 0");
    expect(Buffer.compare(dataOf(reply.messages[0]), data)).toBe(0);
  });

  test("takes a request in pieces that are each padded", async () => {
    const request = echo(Buffer.from("in pieces"));
    const pieces = [request.subarray(0, 1), request.subarray(1, 6), request.subarray(6)];
    const body = pieces.map((piece) => piece.toString("base64")).join("");
    expect(body).toMatch(/=[^=]/);
    const { messages } = await call("Echo", body);
    expect(String(Buffer.from(dataOf(messages[0])))).toBe("in pieces");
  });

  test.each<[request: string, accept: string | undefined, reply: string]>([
    [text, undefined, `${text}+proto`],
    [`${text}+proto`, "*/*", `${text}+proto`],
    [text, binary, binary],
    [binary, text, `${text}+proto`],
    [binary, "*/*", binary],
    [`${text}+json`, text, `${text}+json`],
  ])("responds to %s with Accept %s by %s", async (type, accept, expected) => {
    const request = type.endsWith("json") ? envelope(Buffer.from("{}")) : echo(Buffer.from("hi"));
    const reply = await call("Echo", type === binary ? new Uint8Array(request) : request.toString("base64"), {
      "Content-Type": type,
      ...(accept !== undefined && { Accept: accept }),
    });
    expect(reply.type).toBe(expected);
    expect(reply.messages).toHaveLength(1);
    expect(reply.trailers).toContain("grpc-status: 0");
  });

  test("ends a stream with what it has failed with", async () => {
    const request = toBinary(ProduceRequestSchema, create(ProduceRequestSchema, { count: 3, size: 1000, failCode: 9 }));
    const { messages, trailers } = await call("Produce", envelope(request).toString("base64"));
    expect(messages).toHaveLength(3);
    expect(trailers).toContain("grpc-status: 9");
  });

  test("hands each message of a stream over when it is there", async () => {
    const request = toBinary(ProduceRequestSchema, create(ProduceRequestSchema, { count: 0, size: 10 }));
    const response = await fetch(`${server.url}/plugboard.test.v1.BehaviourService/Produce`, {
      method: "POST",
      headers: { "Content-Type": text },
      body: envelope(request).toString("base64"),
    });
    const reader = response.body?.getReader();
    let received = "";
    // It never ends.
    while (envelopeCount(received) < 3) {
      const { value } = (await reader?.read()) ?? {};
      expect(value).toBeDefined();
      received += Buffer.from(value ?? []).toString();
    }
    await reader?.cancel();
  });

  test("fails with a handler's code and message", async () => {
    const request = toBinary(FailRequestSchema, create(FailRequestSchema, { code: 5, message: "no such page" }));
    const { status, messages, trailers } = await call("Fail", envelope(request).toString("base64"));
    expect({ status, messages }).toEqual({ status: 200, messages: [] });
    expect(trailers).toContain("grpc-status: 5");
    expect(trailers).toContain("grpc-message: no%20such%20page");
  });

  test.each([
    ["a character too few", (request: string) => request.slice(0, -1)],
    ["a character that is none of base64's", (request: string) => `*${request.slice(1)}`],
    ["padding at the beginning", (request: string) => `=${request.slice(1)}`],
    ["a digit after padding", (request: string) => `${request}AA=A`],
    ["base64 of URLs", (request: string) => `-_${request.slice(2)}`],
    ["a line's end", (request: string) => `${request}\r\n`],
  ])("refuses a body with %s", async (_, broken) => {
    const { trailers } = await call("Echo", broken(echo(Buffer.from("12")).toString("base64")));
    expect(trailers).toContain(`grpc-status: ${Code.InvalidArgument}`);
    expect(trailers).toContain("base64");
  });

  test.each([
    ["", (request: string) => request],
    [" that does not tell its length", (request: string) => new Blob([request]).stream()],
  ])("refuses a body%s, longer than the limit", async (_, body) => {
    const init = { method: "POST", headers: { "Content-Type": text }, duplex: "half" };
    const response = await fetch(`${server.url}/plugboard.test.v1.BehaviourService/Echo`, {
      ...init,
      body: body(echo(Buffer.alloc(1_400_000)).toString("base64")),
    });
    const { messages, trailers } = envelopes(decode(await response.text()));
    expect(messages).toEqual([]);
    expect(trailers).toContain(`grpc-status: ${Code.ResourceExhausted}`);
  });
});

/** Messages in the beginning of a response. */
function envelopeCount(received: string): number {
  const bytes = Buffer.concat((received.match(/[^=]{4,}={0,2}/g) ?? []).map((piece) => Buffer.from(piece, "base64")));
  let count = 0;
  for (let at = 0; at + 5 <= bytes.length; count++) {
    at += 5 + bytes.readUInt32BE(at + 1);
  }
  return count;
}
