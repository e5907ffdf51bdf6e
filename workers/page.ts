// A Worker that calls a plugin in another Worker, by a service binding: POST Markdown, get a page.
import { ConnectError } from "@connectrpc/connect";
import type { ServiceBinding } from "plugboard";
import { connect } from "plugboard";
import { MarkdownService } from "../examples/gen/examples/markdown/v1/markdown_pb.ts";

interface Env {
  /** The Worker of wrangler.toml. */
  readonly MARKDOWN: ServiceBinding;
}

export default {
  async fetch(request: Request, { MARKDOWN }: Env): Promise<Response> {
    if (request.method !== "POST") {
      return new Response("POST a Markdown document\n", { status: 405, headers: { Allow: "POST" } });
    }
    try {
      // Anew for each request, as what a Worker has opened for one request can't be used for another.
      await using connection = await connect(MARKDOWN);
      // allowed unbounded: Workers bound what a request may hold, and the plugin refuses a document that is too long.
      const markdown = await request.text();
      const { html } = await connection.client(MarkdownService).render({ markdown }, { signal: request.signal });
      return new Response(`<!doctype html>\n<meta charset="utf-8">\n${html}\n`, {
        headers: {
          "Content-Type": "text/html; charset=utf-8",
          "Content-Security-Policy": "default-src 'none'",
          "X-Content-Type-Options": "nosniff",
        },
      });
    } catch (error) {
      // For those who run the Worker; strangers learn nothing of what is behind it.
      console.error(ConnectError.from(error).message);
      return new Response("The document could not be rendered\n", { status: 502 });
    }
  },
};
