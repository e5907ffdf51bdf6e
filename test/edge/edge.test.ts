import { gzipSync } from "node:zlib";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import type { LocalWorker } from "../support/local-worker.ts";
import { startWorker } from "../support/local-worker.ts";

const render = "/examples.markdown.v1.MarkdownService/Render";
const describePath = "/plugboard.plugin.v1.PluginService/Describe";

function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

describe("the markdown Worker", () => {
  let worker: LocalWorker;
  beforeAll(async () => {
    worker = await startWorker("workers/markdown.ts");
  }, 60_000);
  afterAll(() => worker?.stop());

  test("serves Connect in JSON", async () => {
    const response = await post(worker.url + render, { markdown: "# hi" });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ html: "<h1>hi</h1>" });
  });

  test("responds to a GET for a side-effect-free method", async () => {
    const query = new URLSearchParams({
      connect: "v1",
      encoding: "json",
      message: JSON.stringify({ markdown: "# hi" }),
    });
    const response = await fetch(`${worker.url}${render}?${query}`);
    expect(await response.json()).toEqual({ html: "<h1>hi</h1>" });
  });

  test("refuses a GET for a method with side effects", async () => {
    const response = await fetch(
      `${worker.url}/examples.markdown.v1.MarkdownService/Assemble?connect=v1&encoding=json&message={}`,
    );
    expect(response.status).toBe(405);
  });

  test("serves gRPC-Web", async () => {
    const transport = createGrpcWebTransport({ baseUrl: worker.url, httpVersion: "1.1" });
    expect(await createClient(MarkdownService, transport).render({ markdown: "# hi" })).toMatchObject({
      html: "<h1>hi</h1>",
    });
  });

  test.each([
    ["in one piece", 4, undefined],
    ["in one piece of 64 KiB and more", 70_000, undefined],
    ["in chunks, without its length", 4, "half" as const],
  ])("takes a body that comes %s", async (_how, length, duplex) => {
    const markdown = "a".repeat(length);
    const body = JSON.stringify({ markdown });
    const response = await fetch(worker.url + render, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: duplex === undefined ? body : new Blob([body]).stream(),
      ...(duplex && { duplex }),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ html: `<p>${markdown}</p>` });
  });

  test("refuses a call before its body is read, and has the connection ready for the next", async () => {
    for (let call = 0; call < 5; call++) {
      const refused = await fetch(worker.url + render, {
        method: "POST",
        headers: { "Content-Type": "text/plain" },
        body: "a".repeat(10_000),
      });
      expect(refused.status).toBe(415);
      expect((await post(worker.url + render, { markdown: "# hi" })).status).toBe(200);
    }
  });

  test("does not serve gRPC, which needs trailers", async () => {
    const response = await fetch(worker.url + render, {
      method: "POST",
      headers: { "Content-Type": "application/grpc" },
      body: "",
    });
    expect(response.status).toBe(415);
  });

  test("lets its manifest be kept, and says when it has not changed", async () => {
    const url = `${worker.url}${describePath}?connect=v1&encoding=json&message={}`;
    const first = await fetch(url);
    expect(first.headers.get("Cache-Control")).toBe("public, max-age=60");
    expect(await first.json()).toMatchObject({
      manifest: {
        name: "markdown",
        endpoints: expect.arrayContaining([{ protocol: "PROTOCOL_CONNECT", carrier: "CARRIER_HTTP" }]),
        limits: { maxMessageBytes: String(4 * 1024 * 1024) },
      },
    });
    const tag = first.headers.get("ETag");
    expect(tag).not.toBeNull();
    const second = await fetch(url, { headers: { "If-None-Match": tag ?? "" } });
    expect(second.status).toBe(304);
  });

  test("does not let a response to POST be kept", async () => {
    const response = await post(worker.url + describePath, {});
    expect(response.status).toBe(200);
    expect(response.headers.get("Cache-Control")).toBe("no-store");
  });

  test("says that it is well", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      expect(await (await fetch(worker.url + path)).json()).toEqual({ status: "ok" });
    }
  });

  test.each([
    "/",
    "/examples.markdown.v1.MarkdownService/Nothing",
    `${render}/`,
    `//${render}`,
    "/a/b/c",
    "/no.such.Service/Method",
  ])("refuses %s, which is no method, in Connect's error form", async (path) => {
    const response = await post(worker.url + path, {});
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      code: "unimplemented",
      message: expect.stringMatching(new RegExp(`^no such method: ${new URL(worker.url + path).pathname}(;|$)`)),
    });
  });

  test("refuses a call of gRPC-Web of what is no method in gRPC-Web", async () => {
    const headers = { "Content-Type": "application/grpc-web+proto" };
    const response = await fetch(`${worker.url}/no.such.Service/Method`, { method: "POST", headers });
    expect(response.status).toBe(200);
    expect(response.headers.get("grpc-status")).toBe("12");
  });

  test("lets no page of another origin in, unless told to", async () => {
    const response = await post(worker.url + render, { markdown: "# hi" }, { Origin: "https://app.example.com" });
    expect(response.headers.get("Access-Control-Allow-Origin")).toBeNull();
  });
});

describe("a Worker with options and bindings", () => {
  let worker: LocalWorker;
  beforeAll(async () => {
    worker = await startWorker("test/edge/fixtures/worker.ts", {
      GREETING: "hello",
      PLUGBOARD_CONFIG: JSON.stringify({ maxDocumentBytes: 42 }),
    });
  }, 60_000);
  afterAll(() => worker?.stop());

  test("gives the plugin its bindings and its configuration, and starts it once", async () => {
    for (let call = 0; call < 3; call++) {
      const { html } = (await (await post(worker.url + render, {})).json()) as { html: string };
      expect(JSON.parse(html)).toMatchObject({ greeting: "hello", limit: 42, starts: 1 });
    }
  });

  test("can be mounted in a Hono app, beside other routes", async () => {
    expect(await (await fetch(`${worker.url}/own`)).text()).toBe("a route beside the plugin");
    await using connection = await connect(`${worker.url}/mounted`);
    expect(connection.manifest?.name).toBe("seeing");
    const { html } = await connection.client(MarkdownService).render({});
    expect(html).toContain("hello");
  });

  test("responds to a preflight from an origin it was told of, and no other", async () => {
    const preflight = (origin: string) =>
      fetch(worker.url + render, {
        method: "OPTIONS",
        headers: {
          Origin: origin,
          "Access-Control-Request-Method": "POST",
          "Access-Control-Request-Headers": "content-type,connect-protocol-version",
        },
      });
    const allowed = await preflight("https://app.example.com");
    expect(allowed.headers.get("Access-Control-Allow-Origin")).toBe("https://app.example.com");
    expect(allowed.headers.get("Access-Control-Allow-Methods")).toContain("POST");
    expect(allowed.headers.get("Access-Control-Allow-Headers")?.toLowerCase()).toContain("connect-protocol-version");
    expect((await preflight("https://evil.example.com")).headers.get("Access-Control-Allow-Origin")).toBeNull();
  });

  test("refuses a message over its limit", async () => {
    const response = await post(worker.url + render, { markdown: "a".repeat(1001) });
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ code: "resource_exhausted" });
  });

  test("reads what is compressed by gzip, up to its limit", async () => {
    const send = (body: Uint8Array<ArrayBuffer>) =>
      fetch(worker.url + render, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Content-Encoding": "gzip" },
        body,
      });
    const zipped = (markdown: string) => send(new Uint8Array(gzipSync(JSON.stringify({ markdown }))));
    expect((await zipped("# hi")).status).toBe(200);
    const tooLarge = await zipped("a".repeat(100_000));
    expect(await tooLarge.json()).toMatchObject({ code: "resource_exhausted" });
    const broken = await send(new TextEncoder().encode("not gzip"));
    expect(await broken.json()).toMatchObject({ code: "invalid_argument", message: "decompression failed" });
  });

  test("says by 405 that a method is not called so", async () => {
    expect((await fetch(worker.url + render, { method: "PUT", body: "{}" })).status).toBe(405);
  });

  test("carries the plugin's own errors", async () => {
    await using connection = await connect(worker.url);
    const error = await connection
      .client(MarkdownService)
      .render({ markdown: "fail" })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "as asked" });
  });
});

describe("a Worker whose plugin does not start", () => {
  let worker: LocalWorker | undefined;
  afterAll(() => worker?.stop());

  test("says nothing of the reason, and tries again with the next request", async () => {
    worker = await startWorker("test/edge/fixtures/worker.ts", { FAIL_FIRST_START: "yes" });
    const first = await post(worker.url + render, {});
    expect(first.status).toBe(500);
    expect(await first.json()).toEqual({ code: "internal", message: "the plugin can't start; its log says why" });
    expect((await post(worker.url + render, {})).status).toBe(200);
  }, 60_000);

  test("refuses a configuration that does not fit, and has its callers look into its log", async () => {
    const misconfigured = await startWorker("test/edge/fixtures/worker.ts", {
      PLUGBOARD_CONFIG: '{"maxDocumentBytes":"x"}',
    });
    try {
      expect((await post(misconfigured.url + render, {})).status).toBe(500);
      await using connection = await connect(misconfigured.url);
      await expect(connection.client(MarkdownService).render({})).rejects.toThrow(
        "[internal] the plugin can't start; its log says why",
      );
      expect((await fetch(`${misconfigured.url}/readyz`)).status).toBe(503);
    } finally {
      await misconfigured.stop();
    }
  }, 60_000);
});
