import { GRPCController } from "../gen/plugin/grpc_controller_pb.ts";
import type { Routes } from "../plugin/service-table.ts";

/** After 2 s such a host kills what it has told to end: that much for calls in flight, and for the stop hook. */
const graceMs = 1_200;
const stopMs = 500;

/**
 * Lets the host end the plugin, as go-plugin's hosts do.
 * @param end Begins to end the process, with the milliseconds that calls in flight and the stop hook may take. It is
 * called once the response is on its way.
 */
export function controllerRoutes(end: (graceMs: number, stopMs: number) => void): Routes {
  return (router) =>
    router.service(GRPCController, {
      shutdown() {
        setImmediate(() => end(graceMs, stopMs));
        return {};
      },
    });
}
