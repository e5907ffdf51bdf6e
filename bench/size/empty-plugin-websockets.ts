// A plugin that does nothing, as a Worker with WebSockets.
import { definePlugin } from "plugboard";
import { edge, webSockets } from "plugboard/edge";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

export default edge(
  definePlugin({ name: "nothing", version: "1.0.0", routes: (router) => router.service(MarkdownService, {}) }),
  { webSockets },
);
