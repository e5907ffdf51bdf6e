import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import type { Connection } from "plugboard";
import { connect } from "plugboard";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MarkdownConfigSchema } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { Extension, MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import plugin from "../../examples/markdown/plugin.ts";

function withConfig(config: MessageInitShape<typeof MarkdownConfigSchema>) {
  let connection: Connection;
  beforeAll(async () => {
    connection = await connect(plugin, { config });
  });
  afterAll(() => connection.close());
  return () => connection.client(MarkdownService);
}

async function* stream<T>(...messages: readonly T[]) {
  yield* messages;
}

describe("Render", () => {
  const plain = withConfig({});
  const github = withConfig({ extensions: [Extension.GFM] });

  test("understands GitHub's dialect only if told to", async () => {
    const markdown = "~~gone~~";
    expect((await plain().render({ markdown })).html).toBe("<p>~~gone~~</p>");
    expect((await github().render({ markdown })).html).toBe("<p><del>gone</del></p>");
  });

  test("lets neither raw HTML nor dangerous links through", async () => {
    const { html } = await github().render({ markdown: "<script>alert(1)</script>\n\n[a](javascript:alert(1))" });
    expect(html).not.toContain("<script");
    expect(html).not.toContain("javascript:");
  });
});

describe("Outline", () => {
  const client = withConfig({ extensions: [Extension.GFM] });

  test("finds headings of every form, with their text as a reader sees it", async () => {
    const markdown = [
      '# One *two* `three` [four](http://five "six")',
      "",
      "Seven & eight",
      "and nine",
      "===",
      "",
      "> ### &copy; \\* <b>ten</b> ###",
      "",
      "- item",
      "",
      "  eleven",
      "  ---",
      "",
      "```",
      "# code, no heading",
      "```",
      "",
      "###### <http://twelve.example> ![thirteen](x)",
    ].join("\n");
    const headings = await Array.fromAsync(client().outline({ markdown }));
    expect(headings.map(({ level, text, line }) => [level, text, line])).toEqual([
      [1, "One two three four", 1],
      [1, "Seven & eight and nine", 3],
      [3, "© * ten", 7],
      [2, "eleven", 11],
      [6, "http://twelve.example thirteen", 18],
    ]);
  });

  test("streams nothing for a document without headings", async () => {
    expect(await Array.fromAsync(client().outline({ markdown: "no heading" }))).toEqual([]);
  });
});

describe("Assemble", () => {
  const client = withConfig({});

  test("renders a document the same, wherever it is cut", async () => {
    const markdown = "# grüße 世界 🌍\n\n- *a*\n- b";
    const { html } = await client().render({ markdown });
    const bytes = new TextEncoder().encode(markdown);
    const cuts = fc.uniqueArray(fc.integer({ min: 0, max: bytes.byteLength }));
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        const edges = [0, ...places.sort((a, b) => a - b), bytes.byteLength];
        const chunks = edges.slice(1).map((end, index) => ({ chunk: bytes.slice(edges[index], end) }));
        expect(await client().assemble(stream(...chunks))).toMatchObject({ html, chunks: chunks.length });
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ["in the middle", [0xff, 0x20]],
    ["at the end", [0xf0, 0x9f]],
  ])("refuses what is not UTF-8, %s", async (_, bytes) => {
    const call = client().assemble(stream({ chunk: Uint8Array.from(bytes) }));
    await expect(call).rejects.toMatchObject({ code: Code.InvalidArgument });
  });
});

describe("Preview", () => {
  const client = withConfig({});

  test("shows the document after each edit", async () => {
    const edits = stream(
      { insert: "# helo" },
      { position: 4, insert: "l" },
      { position: 0, deleteCount: 2 },
      { position: 5, insert: " *you*" },
    );
    const previews = await Array.fromAsync(client().preview(edits));
    expect(previews.map(({ html, revision }) => [revision, html])).toEqual([
      [1, "<h1>helo</h1>"],
      [2, "<h1>hello</h1>"],
      [3, "<p>hello</p>"],
      [4, "<p>hello <em>you</em></p>"],
    ]);
  });

  test("refuses an edit beyond the end of the document", async () => {
    const previews = Array.fromAsync(client().preview(stream({ insert: "ab" }, { position: 1, deleteCount: 2 })));
    await expect(previews).rejects.toMatchObject({ code: Code.OutOfRange });
  });
});

describe("a document over the limit", () => {
  const client = withConfig({ maxDocumentBytes: 4 });
  const refusal = { code: Code.ResourceExhausted, rawMessage: "the document has more than 4 bytes" };

  test("is refused by every method, counted in bytes of UTF-8", async () => {
    expect(await client().render({ markdown: "üü" })).toMatchObject({ html: "<p>üü</p>" });
    await expect(client().render({ markdown: "üüa" })).rejects.toMatchObject(refusal);
    await expect(Array.fromAsync(client().outline({ markdown: "12345" }))).rejects.toMatchObject(refusal);
    await expect(Array.fromAsync(client().preview(stream({ insert: "123" }, { insert: "45" })))).rejects.toMatchObject(
      refusal,
    );
  });

  test("is refused before an endless upload fills the memory", async () => {
    let sent = 0;
    async function* endless() {
      for (;;) {
        sent += 1;
        yield { chunk: Uint8Array.of(0x61) };
      }
    }
    await expect(client().assemble(endless())).rejects.toMatchObject(refusal);
    expect(sent).toBe(5);
  });
});
