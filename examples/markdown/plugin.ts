import { Code, ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { Extension, MarkdownConfigSchema, MarkdownService } from "../gen/examples/markdown/v1/markdown_pb.ts";
import { findHeadings, toHtml } from "./render.ts";

const defaultMaxBytes = 1024 * 1024;

export default definePlugin({
  name: "markdown",
  version: "1.0.0",
  description: "Turns Markdown into HTML.",
  config: MarkdownConfigSchema,
  routes(router, { config }) {
    const dialect = { gfm: config.extensions.includes(Extension.GFM) };
    const maxBytes = config.maxDocumentBytes || defaultMaxBytes;

    router.service(MarkdownService, {
      render({ markdown }) {
        checkSize(byteLength(markdown), maxBytes);
        return { html: toHtml(markdown, dialect) };
      },

      async *outline({ markdown }) {
        checkSize(byteLength(markdown), maxBytes);
        yield* findHeadings(markdown, dialect);
      },

      async assemble(requests) {
        const decoder = new TextDecoder("utf-8", { fatal: true });
        let markdown = "";
        let bytes = 0;
        let chunks = 0;
        for await (const { chunk } of requests) {
          bytes += chunk.byteLength;
          chunks += 1;
          // Before the chunk is kept: an endless upload must not fill the memory.
          checkSize(bytes, maxBytes);
          markdown += decode(decoder, chunk);
        }
        markdown += decode(decoder);
        return { html: toHtml(markdown, dialect), chunks };
      },

      async *preview(edits) {
        let markdown = "";
        let revision = 0;
        for await (const { position, deleteCount, insert } of edits) {
          if (position + deleteCount > markdown.length) {
            throw new ConnectError(`the edit ends after the document's ${markdown.length} code units`, Code.OutOfRange);
          }
          markdown = markdown.slice(0, position) + insert + markdown.slice(position + deleteCount);
          checkSize(byteLength(markdown), maxBytes);
          revision += 1;
          yield { html: toHtml(markdown, dialect), revision };
        }
      },
    });
  },
});

function checkSize(bytes: number, maxBytes: number) {
  if (bytes > maxBytes) {
    throw new ConnectError(`the document has more than ${maxBytes} bytes`, Code.ResourceExhausted);
  }
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw new ConnectError("the document is not UTF-8", Code.InvalidArgument);
  }
}
