import { Hono } from "hono";
import { logger } from "hono/logger";
import { edge } from "plugboard/edge";
import { describe, expect, test } from "vitest";
import plugin from "../behaviour/plugin.ts";

const echo = "/plugboard.test.v1.BehaviourService/Echo";

interface App {
  request(path: string, init?: RequestInit): Response | Promise<Response>;
}

async function call(app: App, path = echo) {
  const headers = { "Content-Type": "application/json" };
  return app.request(path, { method: "POST", headers, body: '{"text":"hi"}' });
}

/** With middleware and a route that were added to what `edge()` returns. */
function extended() {
  const app = edge(plugin, { observers: [] });
  app.use(async (context, next) => {
    await next();
    context.header("X-Own", "yes");
  });
  app.use(logger(() => undefined));
  app.get("/own/:name", (context) => context.text(`a route for ${context.req.param("name")}`));
  return app;
}

describe.each([
  ["exported", () => extended(), ""],
  ["mounted in another app", () => new Hono().route("/mounted", extended()), "/mounted"],
  ["mounted below a parameter", () => new Hono().route("/:tenant/plugin", extended()), "/ann/plugin"],
  ["mounted by fetch", () => new Hono().mount("/mounted", extended().fetch), "/mounted"],
])("what is added to an app of edge(), %s,", (_, makeApp, base) => {
  test("has the plugin's calls pass through", async () => {
    const response = await call(makeApp(), base + echo);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ text: "hi" });
    expect(response.headers.get("X-Own")).toBe("yes");
  });

  test("responds at its own paths", async () => {
    const app: App = makeApp();
    const response = await app.request(`${base}/own/ann`);
    expect(await response.text()).toBe("a route for ann");
    expect(response.headers.get("X-Own")).toBe("yes");
  });

  test("does not hide the plugin's health", async () => {
    const app: App = makeApp();
    expect(await (await app.request(`${base}/healthz`)).json()).toEqual({ status: "ok" });
  });
});

test("middleware can refuse a call before the plugin sees it", async () => {
  const app = edge(plugin, { observers: [] });
  app.use(async (context) => context.text("not you", 403));
  expect((await call(app)).status).toBe(403);
});

test("what the plugin does not serve gets the response of `notFound`, if there is one", async () => {
  const app = edge(plugin, { observers: [] });
  expect(await (await call(app, "/no.such.Service/Method")).json()).toMatchObject({ code: "unimplemented" });
  app.notFound((context) => context.text("nothing here", 404));
  expect(await (await call(app, "/no.such.Service/Method")).text()).toBe("nothing here");
  expect((await call(app)).status).toBe(200);
});

test("what the plugin does not serve is left to the routes of the app that it is mounted in", async () => {
  const app = new Hono();
  app.route("/", edge(plugin, { observers: [] }));
  app.post("/form", async (context) => context.text(`the rest: ${await context.req.text()}`));
  const response = await app.request("/form", { method: "POST", body: "a body of its own" });
  expect(await response.text()).toBe("the rest: a body of its own");
  expect((await call(app)).status).toBe(200);
});
