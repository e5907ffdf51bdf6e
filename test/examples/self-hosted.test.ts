import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { Carrier } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";

describe("the plugin on a Hono app in Node", () => {
  const server = spawn(process.execPath, ["--conditions=plugboard-source", "examples/self-hosted/serve.ts"], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(server, "exit");
  let url: string;
  beforeAll(async () => {
    [url] = await once(createInterface(server.stdout), "line");
  });
  afterAll(async () => {
    server.kill("SIGTERM");
    // By itself, and in good order.
    expect(await ended).toEqual([0, null]);
  });

  test("stands beside the app's own routes, behind its middleware", async () => {
    const own = await fetch(new URL("/", url));
    expect(await own.text()).toContain("A Hono app");
    const call = await fetch(`${url}/examples.markdown.v1.MarkdownService/Render`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ markdown: "# hi" }),
    });
    expect(await call.json()).toEqual({ html: "<h1>hi</h1>" });
    expect(call.headers.get("X-Content-Type-Options")).toBe("nosniff");
  });

  test.each(["connect", "grpc-web"] as const)(
    "is called over %s, by unary and by streaming calls",
    async (protocol) => {
      await using connection = await connect(url, { require: { protocols: [protocol] } });
      const markdown = connection.client(MarkdownService);
      expect(await markdown.render({ markdown: "~~a~~" })).toMatchObject({ html: "<p><del>a</del></p>" });
      const headings = await Array.fromAsync(markdown.outline({ markdown: "# a\n\n## b" }));
      expect(headings).toMatchObject([
        { level: 1, text: "a" },
        { level: 2, text: "b" },
      ]);
      const chunks = (async function* () {
        yield { chunk: new TextEncoder().encode("# a") };
        yield { chunk: new TextEncoder().encode("bc") };
      })();
      expect(await markdown.assemble(chunks)).toMatchObject({ html: "<h1>abc</h1>", chunks: 2 });
    },
  );

  test("offers no WebSocket, so a method that needs one is refused with a hint", async () => {
    await using connection = await connect(url);
    expect(connection.manifest?.endpoints.map(({ carrier }) => carrier)).not.toContain(Carrier.WEBSOCKET);
    expect(connection.routes.bidi_streaming.routes).toEqual([]);
    const edits = (async function* () {})();
    await expect(Array.fromAsync(connection.client(MarkdownService).preview(edits))).rejects.toMatchObject({
      code: Code.Unimplemented,
      hint: expect.stringMatching(/./),
    });
  });
});
