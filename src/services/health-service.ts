import { Code, ConnectError } from "@connectrpc/connect";
import { untilAborted } from "../base/async/until-aborted.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import type { StandardRoutes } from "../plugin/service-table.ts";
import type { StandardService } from "./standard-service.ts";

/**
 * Serves grpc.health.v1.Health, as https://grpc.io/docs/guides/health-checking has it: for the plugin as a whole, by no name
 * or by "plugin", the name that go-plugin's hosts ask for, and for each of the plugin's own services. Once the plugin is told
 * to stop, all of it is NOT_SERVING, and watching ends.
 *
 * ```ts
 * await serve(plugin, { services: [health()] });
 * ```
 */
export function health(): StandardService {
  return { routes: ({ draining }) => healthRoutes(draining) };
}

function healthRoutes(draining: AbortSignal): StandardRoutes {
  return (router, { own }) => {
    const known = new Set(["", "plugin", ...own.map(({ typeName }) => typeName)]);
    const statusOf = (service: string) => {
      if (!known.has(service)) {
        return Status.SERVICE_UNKNOWN;
      }
      return draining.aborted ? Status.NOT_SERVING : Status.SERVING;
    };
    router.service(Health, {
      check({ service }) {
        const status = statusOf(service);
        if (status === Status.SERVICE_UNKNOWN) {
          throw new ConnectError("unknown service", Code.NotFound);
        }
        return { status };
      },
      async *watch({ service }, { signal }) {
        const status = statusOf(service);
        yield { status };
        // There is nothing else that changes.
        await untilAborted(signal, drainBegins(draining, signal));
        if (statusOf(service) !== status) {
          yield { status: statusOf(service) };
        }
      },
    });
  };
}

/** Settles when the plugin is told to stop, unless the call ends before. */
function drainBegins(draining: AbortSignal, call: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (draining.aborted) {
    resolve();
  }
  draining.addEventListener("abort", () => resolve(), { signal: call });
  return promise;
}
