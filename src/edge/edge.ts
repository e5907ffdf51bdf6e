import type { DescMessage } from "@bufbuild/protobuf";
import { Code, createContextValues } from "@connectrpc/connect";
import { universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import type { Context, Hono } from "hono";
import { Hono as TinyHono } from "hono/tiny";
import { isPlugboardError } from "../base/errors.ts";
import { peerKey } from "../call/peer.ts";
import type { RequestRefusal } from "../call/refuse-request.ts";
import { noSuchMethod, refuseRequest } from "../call/refuse-request.ts";
import { requestIdFor, requestIdHeader, setRequestId } from "../call/request-id.ts";
import { PluginService } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { checkOrigins } from "../http/check-origins.ts";
import { createOriginLog, crossOrigin } from "../http/cors.ts";
import type { HttpCallHandler } from "../http/handlers.ts";
import { fitResponseHeaders, maxOwnHeaderBytes, securityHeaders } from "../http/response-headers.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { methodPath } from "../plugin/service-table.ts";
import { checkAccessRules } from "../policy/auth/access-rule.ts";
import { policyNames } from "../policy/create-call-policy.ts";
import { checkHosts, onlyHosts, otherHost } from "../policy/hosts.ts";
import { hstsValue } from "../policy/hsts.ts";
import { readRequest } from "./adapter.ts";
import { cacheableManifest } from "./cacheable-manifest.ts";
import { edgePeer } from "./conninfo.ts";
import type { EdgeOptions } from "./edge-options.ts";
import type { EdgeHandler } from "./start-plugin.ts";
import { startEdgeHandler } from "./start-plugin.ts";
import { upgradeToTtrpc, wantsTtrpc } from "./websocket.ts";
import { answerWhole, isSmallUnary } from "./whole-response.ts";

/** Which id each request is answered with. */
const requestIds = new WeakMap<Request, string>();

/** Header fields that an answer may have of its own. */
const ownGoesFirst = new Set(["Cache-Control", "Vary"]);

/** What Hono knows of a Worker's environment. */
export interface EdgeEnv {
  readonly Bindings: Readonly<Record<string, unknown>>;
}

const optionNames: OptionNames<EdgeOptions> = {
  ...policyNames,
  config: true,
  origins: true,
  hosts: true,
  hsts: true,
  debug: true,
};

/**
 * Makes a Worker of a plugin: a Hono app that serves Connect (JSON and binary; GET for side-effect-free methods),
 * gRPC-Web, both with gzip, and ttrpc on WebSockets. Export it, or mount it in a Hono app of your own. Middleware of yours
 * goes into that app,
 * before this one is mounted: Hono runs what was registered first, and nothing added here later would run.
 *
 * ```ts
 * export default edge(plugin, { origins: ["https://app.example.com"] });
 * ```
 *
 * The plugin starts with the first request, when its bindings are known; if that fails, the next request tries again.
 *
 * @throws PlugboardError PB-ORIGIN-INVALID, PB-HOST-INVALID, PB-ACCESS-UNGUARDED if the contract requires scopes and there is no `auth`, PB-ACCESS-RULE if a rule in
 * the contract contradicts itself.
 */
export function edge<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: EdgeOptions<Config> = {},
): Hono<EdgeEnv> {
  const { origins = [], hosts, debug } = options;
  checkOptions<EdgeOptions>("edge()", options, optionNames);
  checkOrigins(origins);
  checkHosts(hosts ?? []);
  const originRefused = createOriginLog();
  // The last is what connect() names over service bindings.
  const allowsHost = hosts && onlyHosts([...hosts, "plugin"]);
  const guarded = options.auth !== undefined;
  const hsts = hstsValue(options.hsts);
  checkAccessRules(plugin.services, guarded);
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

  // Its router is small, and looks at one route after the other, which is fast for the few that there are.
  const app = new TinyHono<EdgeEnv>();
  app.use(async (context, next) => {
    const { req } = context;
    const requestId = requestIdFor(req.header(requestIdHeader));
    requestIds.set(req.raw, requestId);
    const { headers, preflight } = crossOrigin(
      origins,
      {
        method: req.method,
        origin: req.header("Origin"),
        requestMethod: req.header("Access-Control-Request-Method"),
      },
      originRefused,
    );
    if (allowsHost?.(new URL(req.url).host) === false) {
      context.res = refuse(context, { status: 421, code: Code.PermissionDenied, message: otherHost });
    } else if (preflight) {
      context.res = new Response(null, { status: 204 });
    } else {
      await next();
    }
    const { res } = context;
    if (res.status === 101) {
      return;
    }
    // Of what answers have, only the console page's policy is one of its own.
    const isPage = debug !== undefined && res.headers.get("Content-Type")?.startsWith("text/html");
    const pagePolicy = isPage ? res.headers.get("Content-Security-Policy") : null;
    fitResponseHeaders(res.headers, {
      method: req.method,
      status: res.status,
      personal: guarded,
      maxBytes: maxOwnHeaderBytes,
    });
    for (const [name, value] of [
      ...securityHeaders(requestId, req.url.startsWith("https:") ? hsts : undefined),
      ...headers,
    ]) {
      if (!(ownGoesFirst.has(name) && res.headers.has(name))) {
        res.headers.set(name, value);
      }
    }
    if (pagePolicy !== null) {
      res.headers.set("Content-Security-Policy", pagePolicy);
    }
  });
  app.get("/", async (context, next) => {
    if (!wantsTtrpc(context)) {
      const wantsPage = debug !== undefined && context.req.header("Accept")?.includes("text/html");
      return wantsPage ? debug.page() : next();
    }
    const { serving, admit } = await handlerFor(context);
    const requestId = requestIds.get(context.req.raw) ?? "";
    const stayAlive = (running: Promise<unknown>) => keepAlive(context, running);
    return upgradeToTtrpc(context, { hsts, origins, originRefused, serving, admit, requestId, keepAlive: stayAlive });
  });
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  app.get("/readyz", async (context) => {
    try {
      await handlerFor(context);
    } catch (error) {
      console.error(error);
      return context.json({ status: "unavailable" }, 503);
    }
    return context.json({ status: "ok" });
  });
  app.use(methodPath(PluginService.method.describe), cacheableManifest(guarded));
  app.all("/:service/:method", async (context, next) => {
    const { find } = await handlerFor(context);
    // As it was sent: each method has one path, and no other that only means the same.
    const handle = find(lastTwoSegments(new URL(context.req.url).pathname));
    if (handle === undefined) {
      await next();
      return;
    }
    const { raw } = context.req;
    const contextValues = createContextValues().set(peerKey, edgePeer(context));
    setRequestId(contextValues, requestIds.get(raw) ?? "");
    const answer = isSmallUnary(raw) ? answerWhole : answerInPieces;
    return answer(raw, (incoming) => handle({ ...incoming, contextValues }, (running) => keepAlive(context, running)));
  });
  app.notFound((context) => refuse(context, noSuchMethod(context.req.path)));
  app.onError((error, context) => {
    console.error(error);
    // Ours come from the start alone. What is wrong with it is for those who run the Worker, not for its callers.
    const message = isPlugboardError(error) ? "the plugin can't start; its log says why" : "internal error";
    return context.json({ code: "internal", message }, 500);
  });
  return app;
}

function refuse({ req }: Context<EdgeEnv>, refusal: RequestRefusal): Response {
  const { body, ...init } = refuseRequest(refusal, req.header("Content-Type"));
  return new Response(body, init);
}

async function answerInPieces(request: Request, handle: HttpCallHandler): Promise<Response> {
  const { incoming, readRestBeforeEnd } = readRequest(request);
  return universalServerResponseToFetch(readRestBeforeEnd(await handle(incoming)));
}

/** "/package.Service/Method" of a path, wherever the app is mounted. */
function lastTwoSegments(path: string): string {
  return path.slice(path.lastIndexOf("/", path.lastIndexOf("/") - 1));
}

/**
 * Lets something run on when the caller has gone: a start that others wait for too, or a handler that cleans up. A
 * Worker drops the rest of it otherwise, finally blocks and all.
 */
function keepAlive(context: Context<EdgeEnv>, promise: Promise<unknown>) {
  try {
    context.executionCtx.waitUntil(promise.catch(() => undefined));
  } catch {
    // allowed empty-catch: outside a Worker there is no execution context, and nothing that would end the start.
  }
}
