import type { Interceptor } from "@connectrpc/connect";

/** Keeps a caller's interceptor out of what host and plugin have to tell each other, by go-plugin's own services. */
export function skipHostServices(interceptor: Interceptor): Interceptor {
  return (next) => {
    const intercepted = interceptor(next);
    return (request) => (request.service.typeName.startsWith("plugin.GRPC") ? next : intercepted)(request);
  };
}
