// A plugin in an app of one's own, by a Hono of one's own.
import { Hono, type MiddlewareHandler } from "hono";
import { definePlugin } from "plugboard";
import { edge } from "plugboard/edge";

/** Adds its name to the header that tells whom a response has passed through. */
function passes(name: string): MiddlewareHandler {
  return async (context, next) => {
    await next();
    context.header("X-Passed", name, { append: true });
  };
}

const plugin = edge(definePlugin({ name: "mounted", version: "1.0.0", routes() {} }), { observers: [] });
plugin.use(passes("inside"));

const app = new Hono();
app.use(passes("before"));
app.route("/plugin", plugin);
app.use(passes("behind"));
app.get("/own", (context) => context.text("a route of the app"));

export default app;
