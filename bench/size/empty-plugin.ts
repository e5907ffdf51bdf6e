// A plugin that does nothing, as a Worker: what Plugboard and its libraries take.
import { definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

export default edge(
  definePlugin({ name: "nothing", version: "1.0.0", routes: (router) => router.service(MarkdownService, {}) }),
);
