import type { ConnectRouter, Interceptor } from "@connectrpc/connect";

type RegisterOptions = Parameters<ConnectRouter["service"]>[2];

/**
 * Has every method that is registered with the router run inside a gate.
 * @param interceptors Those that run inside the gate where a service was registered without any of its own.
 */
export function gateRouter(
  router: ConnectRouter,
  gate: Interceptor,
  interceptors: readonly Interceptor[] = [],
): ConnectRouter {
  const gatedOptions = (own: RegisterOptions): RegisterOptions => ({
    ...own,
    interceptors: [gate, ...(own?.interceptors ?? interceptors)],
  });
  const gated: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, gatedOptions(options));
      return gated;
    },
    rpc(method, implementation, options) {
      router.rpc(method, implementation, gatedOptions(options));
      return gated;
    },
  };
  return gated;
}
