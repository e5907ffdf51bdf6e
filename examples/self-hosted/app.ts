// The plugin in a Hono app of one's own, beside other routes. What runs it, Node or a Worker, makes no difference here.
import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { edge } from "plugboard/edge";
import { Extension } from "../gen/examples/markdown/v1/markdown_pb.ts";
import plugin from "../markdown/plugin.ts";

const app = new Hono();
app.use(secureHeaders());
app.get("/", (context) => context.text("A Hono app, with a plugin at /plugins/markdown\n"));
app.route("/plugins/markdown", edge(plugin, { config: { extensions: [Extension.GFM] } }));

export default app;
