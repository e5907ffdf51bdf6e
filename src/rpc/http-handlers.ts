import type { ConnectRouterOptions } from "@connectrpc/connect";
import { createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { ServiceTable } from "../plugin/service-table.ts";
import { concealErrors } from "./error-for-caller.ts";

/** Looks up what handles the path "/package.Service/Method" over HTTP. */
export type FindHttpHandler = (path: string) => UniversalHandler | undefined;

/** Lets Connect's own router serve a service table over HTTP, in each of the protocols it knows. */
export function createHttpHandlers(
  table: ServiceTable,
  options: Omit<ConnectRouterOptions, "interceptors">,
): FindHttpHandler {
  const router = createConnectRouter(options);
  table.registerWith(router, options, concealErrors);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (path) => handlers.get(path);
}
