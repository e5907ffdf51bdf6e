import * as http2 from "node:http2";
import { text } from "node:stream/consumers";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Attacked } from "./attacked.ts";
import { call, echoes, envelope, exchange, head, nest, runtimes, service, startAttacked } from "./attacked.ts";

const mebibyte = 1024 * 1024;

/** A body of so many bytes: a message whose text is as long as it has to be. */
const bodies = {
  "Connect's JSON": (bytes: number) => Buffer.from(JSON.stringify({ text: "a".repeat(bytes - 11) })),
  "Connect's binary": (bytes: number) => echoRequest(bytes),
  "gRPC-Web": (bytes: number) => envelope(echoRequest(bytes - 5)),
  gRPC: (bytes: number) => envelope(echoRequest(bytes - 5)),
} as const;

const types = {
  "Connect's JSON": "application/json",
  "Connect's binary": "application/proto",
  "gRPC-Web": "application/grpc-web+proto",
  gRPC: "application/grpc+proto",
} as const;

type Format = keyof typeof bodies;

/** An EchoRequest of so many bytes, of which its text has a length of three bytes. */
function echoRequest(bytes: number): Buffer<ArrayBuffer> {
  const length = bytes - 4;
  const varint = [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
  return Buffer.concat([Buffer.of(0x0a, ...varint), Buffer.alloc(length, "a")]);
}

/** The whole response, with trailers if they say how it went. */
async function post(attacked: Attacked, format: Format, body: Buffer<ArrayBuffer>, chunked: boolean): Promise<string> {
  if (format === "gRPC") {
    return postHttp2(attacked, body, chunked);
  }
  const response = await fetch(`${attacked.url}${service}/Echo`, {
    method: "POST",
    headers: { "Content-Type": types[format] },
    ...(chunked ? { body: new Blob([body]).stream(), duplex: "half" } : { body }),
  });
  return `${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`;
}

async function postHttp2({ url }: Attacked, body: Buffer, chunked: boolean): Promise<string> {
  const session = http2.connect(url);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": `${service}/Echo`,
      "content-type": types.gRPC,
      te: "trailers",
      ...(chunked ? {} : { "content-length": body.byteLength }),
    });
    const said: unknown[] = [];
    stream.on("response", (headers) => said.push(headers));
    stream.on("trailers", (headers) => said.push(headers));
    stream.end(body);
    const content = await text(stream);
    return JSON.stringify(said) + content;
  } finally {
    session.destroy();
  }
}

/** Each protocol's way to say it. */
const resourceExhausted = /resource_exhausted|grpc-status(?:"?[:,] ?"?)8/;

describe.each(runtimes)("what is too large, in %s:", (runtime) => {
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await startAttacked(runtime);
  }, 60_000);
  afterAll(() => attacked?.stop());

  // Workers can't send the trailers that gRPC needs.
  const formats = (Object.keys(bodies) as Format[]).filter((format) => runtime === "node" || format !== "gRPC");

  describe.each(formats)("a body of %s", (format) => {
    test.each([
      ["with its length", false],
      ["in chunks", true],
    ])("may have 1,048,576 bytes, and no byte more, %s", async (_, chunked) => {
      const before = await echoes(attacked);
      const whole = await post(attacked, format, bodies[format](mebibyte), chunked);
      expect(whole.length).toBeGreaterThan(mebibyte);
      expect(whole.slice(0, 1000)).not.toMatch(resourceExhausted);
      expect(await echoes(attacked)).toBe(before + 1);
      const refused = await post(attacked, format, bodies[format](mebibyte + 1), chunked);
      expect(refused.slice(0, 2000)).toMatch(resourceExhausted);
      expect(await echoes(attacked)).toBe(before + 1);
    });
  });

  test("headers that are too long are refused in the protocol", async () => {
    const before = await echoes(attacked);
    const long = { "X-Long": "a".repeat(17_000) };
    const connect = await call(attacked, "Echo", "{}", long);
    expect(await connect.json()).toMatchObject({ code: "resource_exhausted" });
    const web = await call(attacked, "Echo", envelope(""), { ...long, "Content-Type": "application/grpc-web+proto" });
    expect(web.status).toBe(200);
    expect(`${web.headers.get("grpc-status")} ${await web.text()}`).toMatch(/^8|grpc-status: 8/);
    expect(await echoes(attacked)).toBe(before);
  });

  test("a URL that is too long is refused in the protocol", async () => {
    const message = encodeURIComponent(JSON.stringify({ text: "a".repeat(17_000) }));
    const response = await fetch(`${attacked.url}${service}/Echo?connect=v1&encoding=json&message=${message}`);
    expect(await response.json()).toMatchObject({ code: "resource_exhausted" });
  });

  test("a flood of headers is refused", async () => {
    const fields = Array.from({ length: 20_000 }, (_, index) => `X-${index}: ${"a".repeat(20)}`);
    const before = await echoes(attacked);
    // What reads on no further closes the connection, which may lose the response.
    expect(await exchange(attacked, head(`${service}/Echo`, "Content-Length: 2", ...fields), "{}")).toMatch(
      /^$|^HTTP\/1.1 4(?:31|29|00|13) /,
    );
    expect(await echoes(attacked)).toBe(before);
  });

  test("a message in chunks of one byte each costs no more than its length", async () => {
    const message = Buffer.from(JSON.stringify({ text: "a".repeat(100_000) }));
    const chunks = (bytes: Buffer) => bytes.toString("latin1").replaceAll(/[\s\S]/g, "1\r\n$&\r\n");
    const fields = ["Transfer-Encoding: chunked", "Connection: close"];
    const unary = await exchange(attacked, `${head(`${service}/Echo`, ...fields)}${chunks(message)}0\r\n\r\n`);
    expect(unary).toMatch(/^HTTP\/1.1 200 /);
    const streamed = head(`${service}/Collect`, ...fields).replace("/json", "/connect+json");
    const sum = await exchange(attacked, Buffer.from(`${streamed}${chunks(envelope(message))}0\r\n\r\n`, "latin1"));
    expect(sum).toContain('{"messages":1}');
  });

  test("envelopes that announce more than a message may have are refused", async () => {
    const announced = Buffer.of(0, 0xff, 0xff, 0xff, 0xff);
    const response = await call(attacked, "Collect", announced, { "Content-Type": "application/connect+json" });
    expect(await response.text()).toContain("resource_exhausted");
  });
});

describe.each(runtimes)("what is nested too deep, in %s:", (runtime) => {
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await startAttacked(runtime, { maxBodyBytes: 32 * mebibyte, maxMessageBytes: 32 * mebibyte });
  }, 60_000);
  afterAll(() => attacked?.stop());

  const million = 1_000_000;

  test.each<[string, string]>([
    ["arrays in a field for any JSON", `{"value":${"[".repeat(million)}${"]".repeat(million)}}`],
    ["objects in a field for any JSON", `{"value":${'{"a":'.repeat(million)}1${"}".repeat(million)}}`],
    ["messages", `${'{"child":'.repeat(million)}{}${"}".repeat(million)}`],
    ["arrays where a message should be", `{"child":${"[".repeat(million)}${"]".repeat(million)}}`],
    ["arrays that are never closed", "[".repeat(million)],
    ["arrays in place of the message", `${"[".repeat(million)}${"]".repeat(million)}`],
  ])("a million %s", async (_, json) => {
    const response = await call(attacked, nest, json);
    expect(await response.json()).toMatchObject({
      code: expect.stringMatching(/^(invalid_argument|resource_exhausted)$/),
    });
    expect((await call(attacked, nest, '{"child":{}}')).status).toBe(200);
  });

  test("a million arrays in a field that does not exist are passed over", async () => {
    const response = await call(attacked, nest, `{"nothing":${"[".repeat(million)}${"]".repeat(million)}}`);
    expect(await response.json()).toEqual({});
  });

  test.each<[string, Buffer<ArrayBuffer>]>([
    ["messages", nestedMessages(200)],
    ["messages, too many to fit in one another", nestedMessages(50_000)],
    ["groups", Buffer.alloc(million, 0x1b)],
    ["groups that are closed again", Buffer.concat([Buffer.alloc(million, 0x1b), Buffer.alloc(million, 0x1c)])],
    ["groups in a field that does not exist", Buffer.concat([Buffer.of(0x2b), Buffer.alloc(million, 0x2b)])],
  ])("%s in binary", async (_, message) => {
    const response = await call(attacked, nest, message, { "Content-Type": "application/proto" });
    expect(response.ok).toBe(false);
    expect(await response.json()).toMatchObject({ code: expect.any(String) });
    expect((await call(attacked, nest, '{"child":{}}')).status).toBe(200);
  });
});

/** NestRequest in NestRequest, each of which announces as much as fits in three bytes of length. */
function nestedMessages(depth: number): Buffer<ArrayBuffer> {
  const layers: number[][] = [];
  let length = 0;
  for (let layer = 0; layer < depth; layer++) {
    const header = [0x0a, (length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
    layers.push(header);
    length += header.length;
  }
  return Buffer.from(layers.reverse().flat());
}

describe("compressed bombs", () => {
  let node: Attacked;
  let worker: Attacked;
  beforeAll(async () => {
    [node, worker] = await Promise.all([startAttacked("node"), startAttacked("workerd")]);
  }, 60_000);
  afterAll(() => Promise.all([node?.stop(), worker?.stop()]));

  const bomb = Buffer.from(JSON.stringify({ text: "a".repeat(300 * mebibyte) }));
  const gzipped = gzipSync(bomb);
  const packed = [
    ["gzip", gzipped],
    ["br", brotliCompressSync(bomb.subarray(0, 64 * mebibyte))],
  ] as const;

  test.each(packed)("in %s are not unpacked beyond the longest message", async (encoding, body) => {
    const before = await echoes(node);
    expect(body.byteLength).toBeLessThan(mebibyte);
    const unary = await call(node, "Echo", body, { "Content-Encoding": encoding });
    expect(await unary.json()).toMatchObject({ code: "resource_exhausted" });
    const streamed = await call(node, "Collect", envelope(body, 1), {
      "Content-Type": "application/connect+json",
      "Connect-Content-Encoding": encoding,
    });
    expect(await streamed.text()).toContain("resource_exhausted");
    const web = await call(node, "Echo", envelope(body, 1), {
      "Content-Type": "application/grpc-web+proto",
      "Grpc-Encoding": encoding,
    });
    expect(`${web.headers.get("grpc-status")} ${await web.text()}`).toMatch(/^8|grpc-status: 8/);
    expect(await echoes(node)).toBe(before);
  });

  test("packed twice are unpacked once, and refused", async () => {
    const response = await call(node, "Echo", gzipSync(gzipped), { "Content-Encoding": "gzip" });
    expect(await response.json()).toMatchObject({ code: "invalid_argument" });
    const twice = await call(node, "Echo", gzipSync(gzipped), { "Content-Encoding": "gzip, gzip" });
    expect(await twice.json()).toMatchObject({ code: "unimplemented" });
  });

  test.each(["zstd", "deflate", "compress", "GZIP\t", "identity, gzip"])(
    "in %s are not unpacked at all",
    async (encoding) => {
      const response = await call(node, "Echo", gzipped, { "Content-Encoding": encoding });
      expect(await response.json()).toMatchObject({ code: "unimplemented" });
    },
  );

  test("are not unpacked at the edge, which takes no encoding", async () => {
    for (const [encoding, body] of packed) {
      const response = await call(worker, "Echo", body, { "Content-Encoding": encoding });
      expect(await response.json()).toMatchObject({
        code: expect.stringMatching(/^(unimplemented|resource_exhausted)$/),
      });
    }
  });
});
