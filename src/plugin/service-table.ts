import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, Interceptor, MethodImplSpec } from "@connectrpc/connect";
import { createMethodImplSpec, createServiceImplSpec } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { pluginError } from "./errors.ts";
import { methodPath } from "./method-path.ts";

/** One method with the function that implements it. */
export interface ServiceTableEntry {
  readonly spec: MethodImplSpec;
  /** Those given when the service was registered, else the plugin's. */
  readonly interceptors: readonly Interceptor[];
  /** The gate that it was registered with. */
  readonly requestGate: OwnGate | undefined;
  /** The other options that it was registered with; none of them is undefined. */
  readonly options: OwnOptions;
}

/** Options of a registration, as Connect's routers take them. */
export type OwnOptions = Partial<UniversalHandlerOptions> & {
  /** A protocol can be switched off for a service. */
  readonly [Protocol in "connect" | "grpc" | "grpcWeb"]?: boolean;
};

/** A gate of an implementation's own, which each of its calls passes before its messages are read. */
export type OwnGate = NonNullable<UniversalHandlerOptions["requestGate"]>;

/** Every method a plugin implements, by path. Made once for each running plugin, so that handlers share state. */
export interface ServiceTable {
  /** Services in the order they were registered; a service of which single methods were registered counts too. */
  readonly services: readonly DescService[];
  /** Those of them that are not standard: a plugin's own. */
  readonly own: readonly DescService[];
  /** Looks a method up by its path, "/package.Service/Method". */
  find(path: string): ServiceTableEntry | undefined;
  /** All methods. */
  entries(): Iterable<ServiceTableEntry>;
}

/** A function that registers handlers, as any Connect server takes it. */
export type Routes = (router: ConnectRouter) => unknown;

/**
 * Registers services that every plugin has, whatever its own are. It is given the table, which has the plugin's own
 * services when it runs and all of them when the plugin is called.
 */
export type StandardRoutes = (router: ConnectRouter, table: ServiceTable) => unknown;

type RegisterOptions = Parameters<ConnectRouter["service"]>[2];

/**
 * Runs the functions, each of which registers handlers, and collects what they register.
 * @param standardRoutes Run last. A service of which the others have registered a method is left out here.
 * @throws PlugboardError PB-PLUGIN-DUPLICATE-SERVICE if two of them implement the same method, PB-PLUGIN-ROUTES if one of
 * them is asynchronous.
 */
export function createServiceTable(
  routes: readonly Routes[],
  interceptors: readonly Interceptor[] = [],
  standardRoutes: readonly StandardRoutes[] = [],
): ServiceTable {
  const services: DescService[] = [];
  const own: DescService[] = [];
  const entries = new Map<string, ServiceTableEntry>();
  // Connect's router lets a service's own interceptors take the place of the router's; so do we.
  const interceptorsOf = (own: RegisterOptions) => own?.interceptors ?? interceptors;

  function add(spec: MethodImplSpec, options: RegisterOptions) {
    const path = methodPath(spec.method);
    if (entries.has(path)) {
      throw pluginError("PB-PLUGIN-DUPLICATE-SERVICE", `routes() registers ${path.slice(1)} twice`);
    }
    if (!services.includes(spec.method.parent)) {
      services.push(spec.method.parent);
    }
    const { requestGate, ...others } = given(options);
    entries.set(path, { spec, interceptors: interceptorsOf(options), requestGate, options: others });
  }

  const router: ConnectRouter = {
    handlers: [],
    service(service, implementation, options) {
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
        add(spec, options);
      }
      return router;
    },
    rpc(method, implementation, options) {
      add(createMethodImplSpec(method, implementation), options);
      return router;
    },
  };
  const table: ServiceTable = {
    services,
    own,
    find: (path) => entries.get(path),
    entries: () => entries.values(),
  };
  for (const register of routes) {
    refusePromise(register(router));
  }
  own.push(...services);
  const standardRouter = exceptServices(router, new Set(own.map(({ typeName }) => typeName)));
  for (const register of standardRoutes) {
    refusePromise(register(standardRouter, table));
  }
  return table;
}

/**
 * The options that were set. One that is there and undefined, such as a gate that is switched off, counts as left out.
 */
function given(own: RegisterOptions = {}): OwnOptions {
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
}

function refusePromise(returned: unknown) {
  if (returned instanceof Promise) {
    // What it registers later would be missed, and what it throws would end the process.
    returned.catch(() => undefined);
    throw pluginError("PB-PLUGIN-ROUTES", "routes() returned a promise");
  }
}

/** A router that takes no notice of the services with these names. */
function exceptServices(router: ConnectRouter, names: ReadonlySet<string>): ConnectRouter {
  const filtered: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      if (!names.has(service.typeName)) {
        router.service(service, implementation, options);
      }
      return filtered;
    },
    rpc(method, implementation, options) {
      if (!names.has(method.parent.typeName)) {
        router.rpc(method, implementation, options);
      }
      return filtered;
    },
  };
  return filtered;
}
