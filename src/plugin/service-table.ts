import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, Interceptor, MethodImplSpec } from "@connectrpc/connect";
import { createMethodImplSpec, createServiceImplSpec } from "@connectrpc/connect";
import { PlugboardError } from "./errors.ts";

/** One method with the function that implements it. */
interface ServiceTableEntry {
  readonly spec: MethodImplSpec;
  /** Those given when the service was registered, else the plugin's. */
  readonly interceptors: readonly Interceptor[];
}

/** Every method a plugin implements, by path. Made once for each running plugin, so that handlers share state. */
export interface ServiceTable {
  /** Services in the order they were registered; a service of which single methods were registered counts too. */
  readonly services: readonly DescService[];
  /** Looks a method up by its path, "/package.Service/Method". */
  find(path: string): ServiceTableEntry | undefined;
  /** Registers the same implementations with another router, such as the one that serves HTTP. */
  registerWith(router: ConnectRouter): void;
}

/** A function that registers handlers, as any Connect server takes it. */
export type Routes = (router: ConnectRouter) => unknown;

/** Path of a method, "/package.Service/Method". */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * Runs the functions, each of which registers handlers, and collects what they register.
 * @throws PlugboardError PB-PLUGIN-DUPLICATE-SERVICE if two of them implement the same method, PB-PLUGIN-ROUTES if one of
 * them is asynchronous.
 */
export function createServiceTable(routes: readonly Routes[], interceptors: readonly Interceptor[] = []): ServiceTable {
  const services = new Set<DescService>();
  const entries = new Map<string, ServiceTableEntry>();
  const registrations: Routes[] = [];

  function add(spec: MethodImplSpec, own: readonly Interceptor[] | undefined) {
    const path = methodPath(spec.method);
    if (entries.has(path)) {
      throw new PlugboardError("PB-PLUGIN-DUPLICATE-SERVICE", `routes: ${path.slice(1)} is registered twice`);
    }
    services.add(spec.method.parent);
    // Connect's router lets a service's own interceptors take the place of the router's; so do we.
    entries.set(path, { spec, interceptors: own ?? interceptors });
  }

  const router: ConnectRouter = {
    handlers: [],
    service(service, implementation, options) {
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
        add(spec, options?.interceptors);
      }
      registrations.push((target) => target.service(service, implementation, options));
      return router;
    },
    rpc(method, implementation, options) {
      add(createMethodImplSpec(method, implementation), options?.interceptors);
      registrations.push((target) => target.rpc(method, implementation, options));
      return router;
    },
  };
  for (const register of routes) {
    const returned = register(router);
    if (returned instanceof Promise) {
      // What it registers later would be missed, and what it throws would end the process.
      returned.catch(() => undefined);
      throw new PlugboardError("PB-PLUGIN-ROUTES", "routes: returned a promise");
    }
  }
  return {
    services: [...services],
    find: (path) => entries.get(path),
    registerWith(target) {
      for (const register of registrations) {
        register(target);
      }
    },
  };
}
