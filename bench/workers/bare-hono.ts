// What one writes without Plugboard for the same work: a Hono route that takes and gives JSON.
import { Hono } from "hono";
import { toHtml } from "../../examples/markdown/render.ts";

const app = new Hono();
app.post("/examples.markdown.v1.MarkdownService/Render", async (context) => {
  const { markdown } = await context.req.json<{ markdown: string }>();
  return context.json({ html: toHtml(markdown, { gfm: true }) });
});

export default app;
