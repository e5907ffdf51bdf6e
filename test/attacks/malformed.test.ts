import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Attacked } from "./attacked.ts";
import { call, dial, echoes, envelope, exchange, head, runtimes, service, startAttacked } from "./attacked.ts";

const echo = `${service}/Echo`;

/** A request for headers and trailers of the handler. */
function asked(header: readonly (readonly [string, string])[], trailer: typeof header = []) {
  return { "X-Behaviour": encodeURIComponent(JSON.stringify({ header, trailer })) };
}

describe.each(runtimes)("in %s,", (runtime) => {
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await startAttacked(runtime);
  }, 60_000);
  afterAll(() => attacked?.stop());

  const smuggled = `${head(echo, "Content-Length: 2")}{}`;

  describe("a request is never read as two:", () => {
    test.each<[string, string]>([
      ["with two lengths", `${head(echo, "Content-Length: 2", `Content-Length: ${2 + smuggled.length}`)}{}${smuggled}`],
      ["with a list of lengths", `${head(echo, `Content-Length: 2, ${2 + smuggled.length}`)}{}${smuggled}`],
      ["with a length that has a sign", `${head(echo, "Content-Length: +2")}{}${smuggled}`],
      ["with a length that is negative", `${head(echo, "Content-Length: -2")}{}${smuggled}`],
      ["with a length beyond all numbers", `${head(echo, `Content-Length: ${"9".repeat(30)}`)}{}${smuggled}`],
      ["in an encoding of its transfer that no one knows", `${head(echo, "Transfer-Encoding: xchunked")}${smuggled}`],
      ["in chunks that are not the last encoding", `${head(echo, "Transfer-Encoding: chunked, gzip")}${smuggled}`],
      ["with blanks before a colon", `${head(echo, "Content-Length : 2")}{}${smuggled}`],
      ["with a chunk whose length ends in a bare LF", `${head(echo, "Transfer-Encoding: chunked")}2\n{}\r\n0\r\n\r\n`],
      ["with a chunk whose length is no number", `${head(echo, "Transfer-Encoding: chunked")}0x2\r\n{}\r\n0\r\n\r\n`],
      ["with a NUL in a header", `${head(echo, "X-Nul: a\0b", "Content-Length: 2")}{}${smuggled}`],
    ])("%s", async (_, bytes) => {
      const before = await echoes(attacked);
      const replies = await exchange(attacked, bytes);
      expect(replies.match(/HTTP\/1\.1 \d+/g) ?? []).toHaveLength(replies === "" ? 0 : 1);
      expect(replies).toMatch(/^$|^HTTP\/1.1 [45]/);
      expect(await echoes(attacked)).toBe(before);
    });
  });

  test("what is no request, sent behind others that still wait for their responses, ends nothing but its connection", async () => {
    // Without a type for its content, it is refused at once.
    const request = `POST ${echo} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const socket = await dial(attacked, `${request}${request}0\r\n\r\n${request}`);
    const closed = once(socket, "close");
    socket.resume().end();
    await closed;
    expect((await call(attacked, "Watch")).status).toBe(200);
  });

  describe("a method has one path:", () => {
    test.each([
      `/${echo}`,
      `${service}//Echo`,
      `${echo}/`,
      `${echo}//`,
      `${service}%2FEcho`,
      `${service}%2fEcho`,
      `${service}/%45cho`,
      `${service}/%2545cho`,
      `/plugboard%2Etest.v1.BehaviourService/Echo`,
      `${service}/echo`,
      echo.toUpperCase(),
      `${echo}%00`,
      `${echo}%20`,
      `${echo};v=1`,
      `${echo}/..%2f`,
      `/%2e%2e%2f..${echo}%zz`,
      `/${"a".repeat(8_000)}`,
      `${echo}${"/".repeat(8_000)}`,
      "/__proto__/constructor",
      "/constructor/prototype",
      "/toString",
    ])("not %s", async (path) => {
      const before = await echoes(attacked);
      const reply = await exchange(attacked, head(path, "Content-Length: 2", "Connection: close"), "{}");
      expect(reply).toMatch(/^HTTP\/1.1 (400|404) /);
      expect(await echoes(attacked)).toBe(before);
    });

    test.each(["/x/../", "/./", "/x/%2e%2e/", "/.%2e/"])(
      "%s before a method's path leads nowhere else",
      async (prefix) => {
        // What normalizes paths, as Workers do, comes to the very same method.
        const reply = await exchange(
          attacked,
          head(prefix + echo.slice(1), "Content-Length: 2", "Connection: close"),
          "{}",
        );
        expect(reply).toMatch(runtime === "node" ? /^HTTP\/1.1 404 / : /^HTTP\/1.1 200 [\s\S]*\r\n\r\n(2\r\n)?{}/);
      },
    );

    test("also as a whole URL", async () => {
      const reply = await exchange(
        attacked,
        head(`http://other.example.com${service}/Nothing`, "Content-Length: 2", "Connection: close"),
        "{}",
      );
      expect(reply).toMatch(/^HTTP\/1.1 4/);
      expect(reply).not.toContain("other.example.com");
    });

    test("no header leads to another method", async () => {
      const before = await echoes(attacked);
      for (const name of ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]) {
        const response = await fetch(`${attacked.url}${service}/Inspect`, { headers: { [name]: "POST" } });
        expect(response.status).toBe(405);
      }
      for (const name of ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Path"]) {
        const response = await call(attacked, "/no.such.Service/Method", "{}", { [name]: echo });
        expect(response.status).toBe(404);
      }
      expect(await echoes(attacked)).toBe(before);
    });
  });

  describe("what a caller gets wrong is the caller's mistake:", () => {
    const unparsable = Buffer.of(0x0a, 0x05, 0x61);
    const cut = gzipSync('{"text":"a"}').subarray(0, 15);

    test.each([
      ["protobuf that can't be parsed", { "Content-Type": "application/proto" }, unparsable],
      ["JSON that can't be parsed", {}, '{"text":'],
      ["gzip that ends too early", { "Content-Encoding": "gzip" }, cut],
      ["what is no gzip", { "Content-Encoding": "gzip" }, "no gzip"],
      ["a timeout that is none", { "Connect-Timeout-Ms": "soon" }, "{}"],
    ])("%s, over Connect", async (_, headers, body) => {
      const response = await call(attacked, "Echo", typeof body === "string" ? body : Uint8Array.from(body), headers);
      expect([response.status, await response.json()]).toMatchObject([400, { code: "invalid_argument" }]);
    });

    test.each([
      ["protobuf that can't be parsed", {}, envelope(unparsable)],
      ["an envelope that ends too early", {}, envelope(unparsable).subarray(0, 6)],
      ["gzip that ends too early", { "Grpc-Encoding": "gzip" }, envelope(cut, 1)],
      ["a timeout that is none", { "Grpc-Timeout": "soon" }, envelope("")],
    ])("%s, over gRPC-Web", async (_, headers, body) => {
      for (const method of ["Echo", "Collect", "Produce"]) {
        const own = { "Content-Type": "application/grpc-web+proto", ...headers };
        const response = await call(attacked, method, Uint8Array.from(body), own);
        expect((await response.text()) + response.headers.get("grpc-status")).toMatch(/grpc-status: 3\r\n|3$/);
      }
    });

    test("a message in the URL that is no Base64", async () => {
      const response = await fetch(`${attacked.url}${echo}?connect=v1&encoding=json&base64=1&message=***`);
      expect([response.status, await response.json()]).toMatchObject([400, { code: "invalid_argument" }]);
    });

    test("no type, another method: the response says what is wrong", async () => {
      const body = new Uint8Array([0x7b, 0x7d]);
      for (const [status, said, init] of [
        [415, "application/json", { method: "POST", body }],
        [415, "application/json", { method: "POST", body, headers: { "Content-Type": "text/plain" } }],
        [405, "POST", { method: "PUT", body }],
      ] as const) {
        const response = await fetch(`${attacked.url}${echo}`, init);
        expect(response.status).toBe(status);
        expect(await response.text()).toContain(said);
      }
    });
  });

  describe("no one gets a line into headers:", () => {
    test.each<[string, string]>([
      ["CR and LF", "a\r\nSet-Cookie: stolen=1"],
      ["a bare LF", "a\nSet-Cookie: stolen=1"],
      ["a bare CR", "a\rSet-Cookie: stolen=1"],
      ["NUL", "a\0Set-Cookie: stolen=1"],
    ])("%s in what a handler says", async (_, value) => {
      for (const headers of [asked([["x-said", value]]), asked([], [["x-said", value]])]) {
        for (const type of ["application/json", "application/grpc-web+json"]) {
          const response = await call(attacked, "Inspect", type === "application/json" ? "{}" : "\0\0\0\0\x02{}", {
            ...headers,
            "Content-Type": type,
          });
          expect(response.headers.get("Set-Cookie")).toBeNull();
          const content = await response.text();
          expect(`${response.status} ${response.headers.get("grpc-status")} ${content}`).toMatch(
            /^500 null {"code":"internal","message":"internal error"}$|^200 13 |^200 null [\s\S]*grpc-status: 13\r\n/,
          );
          expect(content).not.toContain("stolen");
        }
      }
    });

    test("what a handler says that no server sends costs neither its response nor the next", async () => {
      for (const headers of [asked([["x-said", "\x01"]]), asked([], [["x-said", "\x7f"]])]) {
        const response = await call(attacked, "Inspect", "{}", headers);
        const content = await response.text();
        expect(() => JSON.parse(content)).not.toThrow();
        expect(Number(response.headers.get("Content-Length") ?? content.length)).toBe(content.length);
        expect((await call(attacked, "Watch")).status).toBe(200);
      }
    });

    test.each(["a b", "a,b", "é", "a\tb", "<script>", "a".repeat(129), "%0d%0aSet-Cookie:x"])(
      "%j as the request's id, for which another is made",
      async (id) => {
        const bytes = Buffer.from(
          head(echo, `X-Request-Id: ${id}`, "Content-Length: 2", "Connection: close"),
          "latin1",
        );
        const reply = await exchange(attacked, bytes, "{}");
        expect(reply).toMatch(/\r\nx-request-id: [\w-]{36}\r\n/i);
        expect(reply).not.toContain(id);
      },
    );

    test("a request's id that is one comes back", async () => {
      const response = await call(attacked, "Echo", "{}", { "X-Request-Id": "abc-123:4.5_6" });
      expect(response.headers.get("X-Request-Id")).toBe("abc-123:4.5_6");
    });

    test("a handler does not say what is the server's to say", async () => {
      const header = [
        ["Server", "stolen"],
        ["X-Request-Id", "stolen"],
        ["X-Frame-Options", "ALLOWALL"],
        ["Content-Security-Policy", "default-src *"],
        ["Transfer-Encoding", "gzip"],
        ["Cache-Control", "public, max-age=60"],
        ["Vary", "Accept-Language"],
      ] as const;
      const { status, headers } = await call(attacked, "Inspect", "{}", asked(header));
      expect(status).toBe(200);
      expect(headers.get("Server")).toBeNull();
      expect(headers.get("X-Request-Id")).not.toBe("stolen");
      expect(headers.get("X-Frame-Options")).toBe("DENY");
      expect(headers.get("Content-Security-Policy")).toMatch(/^default-src 'none'/);
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(headers.get("Vary")?.split(", ").sort()).toEqual([
        "Accept-Encoding",
        "Accept-Language",
        "Authorization",
        "Origin",
      ]);
    });
  });
});

describe("in Node, a request is refused", () => {
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await startAttacked("node");
  });
  afterAll(() => attacked?.stop());

  test("with a bare LF between lines, in a header or after it", async () => {
    const before = await echoes(attacked);
    const lines = head(echo, "Content-Length: 2");
    for (const bytes of [
      lines.replaceAll("\r\n", "\n"),
      lines.replace("localhost\r", "localhost"),
      lines.replace(": 2\r", ": 2"),
    ]) {
      expect(await exchange(attacked, `${bytes}{}`)).toMatch(/^HTTP\/1.1 400 /);
    }
    expect(await echoes(attacked)).toBe(before);
  });

  test("without a host, or with two", async () => {
    const before = await echoes(attacked);
    const fields = ["Content-Length: 2", "Connection: close"];
    const without = head(echo, ...fields).replace("Host: localhost\r\n", "");
    expect(await exchange(attacked, without, "{}")).toMatch(/^HTTP\/1.1 400 [\s\S]*no Host header/);
    const two = head(echo, "Host: other.example.com", ...fields);
    expect(await exchange(attacked, two, "{}")).toMatch(/^HTTP\/1.1 400 [\s\S]*more than one Host/);
    expect(await echoes(attacked)).toBe(before);
  });

  test("with a length and in chunks", async () => {
    // workerd goes by the chunks, as RFC 9112 lets it; what stands before it passes no such request on.
    const before = await echoes(attacked);
    const both = `${head(echo, "Content-Length: 4", "Transfer-Encoding: chunked")}2\r\n{}\r\n0\r\n\r\n`;
    expect(
      (await exchange(attacked, `${both}${head(echo, "Content-Length: 2")}{}`)).match(/HTTP\/1.1 400/g),
    ).toHaveLength(1);
    expect(await echoes(attacked)).toBe(before);
  });
});
