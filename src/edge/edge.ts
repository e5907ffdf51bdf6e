import type { DescMessage } from "@bufbuild/protobuf";
import { cors as connectCors } from "@connectrpc/connect";
import { universalServerRequestFromFetch, universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import type { Context } from "hono";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { PluginService } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { methodPath } from "../plugin/service-table.ts";
import { cacheableManifest } from "./cacheable-manifest.ts";
import type { EdgeHandler } from "./edge-handler.ts";
import { startEdgeHandler } from "./edge-handler.ts";
import type { EdgeOptions } from "./edge-options.ts";
import { upgradeToTtrpc, wantsTtrpc } from "./websocket-upgrade.ts";

/** What Hono knows of a Worker's environment. */
export interface EdgeEnv {
  readonly Bindings: Readonly<Record<string, unknown>>;
}

/**
 * Makes a Worker of a plugin: a Hono app that serves Connect (JSON and binary; GET for side-effect-free methods),
 * gRPC-Web, and ttrpc on WebSockets. Export it, or mount it in a Hono app of your own. Middleware, such as authentication, goes into that app,
 * before this one is mounted: Hono runs what was registered first, and nothing added here later would run.
 *
 * ```ts
 * export default edge(plugin, { origins: ["https://app.example.com"] });
 * ```
 *
 * The plugin starts with the first request, when its bindings are known; if that fails, the next request tries again.
 */
export function edge<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: EdgeOptions<Config> = {},
): Hono<EdgeEnv> {
  const { origins = [] } = options;
  let starting: Promise<EdgeHandler> | undefined;

  function handlerFor(context: Context<EdgeEnv>): Promise<EdgeHandler> {
    if (starting === undefined) {
      const started = startEdgeHandler(plugin, context.env, options);
      started.catch(() => {
        starting = undefined;
      });
      starting = started;
      keepAlive(context, started);
    }
    return starting;
  }

  const app = new Hono<EdgeEnv>();
  // Before CORS, which has no say in WebSockets.
  app.get("/", async (context, next) => {
    if (!wantsTtrpc(context)) {
      await next();
      return;
    }
    const { serving } = await handlerFor(context);
    return upgradeToTtrpc(context, origins, serving);
  });
  if (origins.length > 0) {
    app.use(
      cors({
        origin: [...origins],
        allowMethods: [...connectCors.allowedMethods],
        allowHeaders: [...connectCors.allowedHeaders],
        exposeHeaders: [...connectCors.exposedHeaders],
        maxAge: 2 * 60 * 60,
      }),
    );
  }
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  app.get("/readyz", async (context) => {
    await handlerFor(context);
    return context.json({ status: "ok" });
  });
  app.use(methodPath(PluginService.method.describe), cacheableManifest());
  app.on(["GET", "POST"], "/:service/:method", async (context, next) => {
    const { find } = await handlerFor(context);
    const { service, method } = context.req.param();
    const handle = find(`/${service}/${method}`);
    if (handle === undefined) {
      await next();
      return;
    }
    // Workers do not tell the HTTP version. Whether both directions can flow at once is for the caller to know.
    const answering = handle(universalServerRequestFromFetch(context.req.raw, { httpVersion: "2" }));
    keepAlive(context, answering);
    return universalServerResponseToFetch(await answering);
  });
  app.notFound((context) => context.json({ code: "unimplemented", message: "no such method" }, 404));
  app.onError((error, context) => {
    // For whoever runs the Worker; the caller learns nothing of it.
    console.error(error);
    return context.json({ code: "internal", message: "internal error" }, 500);
  });
  return app;
}

/**
 * Lets something run on when the caller has gone: a start that others wait for too, or a handler that cleans up. A
 * Worker drops the rest of it otherwise, finally blocks and all.
 */
function keepAlive(context: Context<EdgeEnv>, promise: Promise<unknown>) {
  try {
    context.executionCtx.waitUntil(promise.catch(() => undefined));
  } catch {
    // Outside a Worker there is no execution context, and nothing that would end the start.
  }
}
