import type { DescMessage } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Context, Hono, Next } from "hono";
import { Hono as TinyHono } from "hono/tiny";
import { defaultLog } from "../base/log.ts";
import { howToCall, isMethodPath } from "../call/not-found.ts";
import type { RequestRefusal } from "../call/refuse-request.ts";
import { createOriginLog } from "../http/cors.ts";
import { onlyHosts } from "../http/hosts.ts";
import { createRequestHandler } from "../http/request-handler.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { policyNames } from "../policy/create-call-policy.ts";
import { hstsValue } from "../policy/hsts.ts";
import { checkServed } from "../serving/prepare-plugin.ts";
import { wantsTtrpc } from "../ttrpc/server/admit-upgrade.ts";
import type { EdgeRequest } from "./adapter.ts";
import { adapt, pathOf, waitUntil } from "./adapter.ts";
import type { EdgeOptions } from "./edge-options.ts";
import { keepFirstRouteLast } from "./last-route.ts";
import type { EdgeHandler } from "./start-plugin.ts";
import { startEdgeHandler } from "./start-plugin.ts";
import type { WebSocketServing } from "./websocket.ts";

/** A Worker's environment, in Hono's types. */
export interface EdgeEnv {
  readonly Bindings: Readonly<Record<string, unknown>>;
}

const optionNames: OptionNames<EdgeOptions> = {
  ...policyNames,
  config: true,
  origins: true,
  hosts: true,
  hsts: true,
  services: true,
  webSockets: true,
};

/** For who expects WebSockets where there are none. */
const noWebSockets = {
  status: 501,
  code: Code.Unimplemented,
  message: "WebSockets are not served here: give edge() the option `webSockets`",
} as const satisfies RequestRefusal;

/**
 * Makes a Worker of a plugin: a Hono app that serves Connect (JSON and binary; GET for side-effect-free methods),
 * gRPC-Web, both with gzip, and with the option `webSockets` ttrpc on WebSockets. Export it, or mount it in a Hono app of
 * your own. What is added to it comes before the plugin: middleware has its calls pass through, and of two that match the
 * route wins.
 *
 * ```ts
 * const app = edge(plugin, { origins: ["https://app.example.com"] });
 * app.use(logger());
 * export default app;
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
  const { origins = [], hosts, services = [] } = options;
  // There is but one value of this type.
  const webSockets = options.webSockets as WebSocketServing | undefined;
  checkOptions<EdgeOptions>("edge()", options, optionNames);
  checkServed(plugin, options);
  const page = services.find((service) => service.page !== undefined)?.page;
  const rules = {
    origins,
    originRefused: createOriginLog(defaultLog),
    // The last is what connect() names over service bindings.
    hosts: hosts && onlyHosts([...hosts, "plugin"]),
    hsts: hstsValue(options.hsts),
  };
  let starting: Promise<EdgeHandler> | undefined;

  function start(env: EdgeRequest["env"], keepAlive: (running: Promise<unknown>) => void): Promise<EdgeHandler> {
    if (starting === undefined) {
      const started = startEdgeHandler(plugin, env, options, webSockets);
      started.catch(() => {
        starting = undefined;
      });
      starting = started;
      keepAlive(started);
    }
    return starting;
  }

  const respond = adapt(
    createRequestHandler<EdgeRequest>({
      ...rules,
      log: defaultLog,
      personal: options.auth !== undefined,
      howToCall: howToCall(options.auth === undefined ? plugin.services : undefined),
      // The plugin is started for methods alone.
      async find(path, request) {
        return isMethodPath(path) ? (await start(request.env, request.waitUntil)).find(path) : undefined;
      },
      async unready(request) {
        try {
          await start(request.env, request.waitUntil);
          return undefined;
        } catch (error) {
          defaultLog.line("ERROR", "the plugin can't start:", error);
          return "unavailable";
        }
      },
      page: (path, { header }) => (path === "/" && header.get("Accept")?.includes("text/html") ? page?.() : undefined),
    }),
  );
  const upgrade = (context: Context<EdgeEnv>, next: Next) => {
    if (webSockets === undefined) {
      return respond(context, next, noWebSockets);
    }
    const started = start(context.env, (running) => waitUntil(context, running));
    return webSockets.accept(context, { ...rules, started });
  };

  const app = new TinyHono<EdgeEnv>();
  keepFirstRouteLast(app);
  app.all("*", async (context, next) => {
    const { raw } = context.req;
    const isUpgrade = raw.method === "GET" && wantsTtrpc(raw.headers) && pathOf(context, new URL(raw.url)) === "/";
    return isUpgrade ? upgrade(context, next) : respond(context, next);
  });
  app.notFound(async (context) => (await respond(context)) ?? context.body(null, 404));
  return app;
}
