import type { DescMessage, DescService, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Empty } from "@bufbuild/protobuf/wkt";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { validate, validateStrict } from "compare-versions";
import { isPlugboardError } from "../base/errors.ts";
import type { OptionNames } from "./check-options.ts";
import { checkOptions } from "./check-options.ts";
import type { PluginContext } from "./context.ts";
import { pluginError } from "./errors.ts";
import { checkProtocolVersions } from "./protocol-version.ts";
import { createServiceTable } from "./service-table.ts";

/** Another plugin that this one needs. */
export interface PluginDependency {
  /** Its name. */
  readonly name: string;
  /** The versions that will do, as a semver range such as "^1.2.0". */
  readonly versionRange: string;
}

/** A plugin's definition, for `definePlugin`. */
export interface PluginDefinition<Config extends DescMessage = GenMessage<Empty>, State = unknown> {
  /** 1 to 63 lower-case letters, digits and hyphens; a letter first, and no hyphen last. */
  readonly name: string;
  /** The plugin's own version, as in https://semver.org. */
  readonly version: string;
  /** One sentence for people. */
  readonly description?: string;
  /** Application protocol versions the plugin speaks. Default: [1]. */
  readonly protocolVersions?: readonly number[];
  /** Schema of the configuration message. Default: no configuration. */
  readonly config?: Config;
  /** Other plugins this one needs. They are announced in the manifest. */
  readonly dependencies?: readonly PluginDependency[];
  /** Run around every call, over every route, in this order. */
  readonly interceptors?: readonly Interceptor[];
  /**
   * Runs before the plugin's first call. What it returns, routes and stop find in `context.state`; TypeScript learns its type
   * if `start` stands before them. If it throws, the plugin does not start.
   */
  start?(context: ContextOf<Config, unknown>): State | Promise<State>;
  /**
   * Registers handlers; any Connect `routes` function will do. It runs once here, with the default configuration, an empty
   * env and no state yet, to learn the services, and once for each start: do work in `start` or in the handlers.
   */
  routes(router: ConnectRouter, context: ContextOf<Config, State>): unknown;
  /** Runs when the plugin stops, after its last call. Workers are never told to stop, so it does not run at the edge. */
  stop?(context: ContextOf<Config, State>): void | Promise<void>;
}

/** The context that the functions of a definition get, with the types of its configuration and state. */
export type ContextOf<Config extends DescMessage, State> = PluginContext<
  MessageShape<Config>,
  Readonly<Record<string, unknown>>,
  State
>;

const optionNames: OptionNames<PluginDefinition> = {
  name: true,
  version: true,
  description: true,
  protocolVersions: true,
  config: true,
  dependencies: true,
  interceptors: true,
  start: true,
  routes: true,
  stop: true,
};

const brand = Symbol.for("plugboard.plugin");

/** A named, versioned set of protobuf services, with a configuration and a lifecycle. Made by `definePlugin`. */
export interface Plugin<Config extends DescMessage = DescMessage>
  extends Required<Omit<PluginDefinition<Config>, "start" | "stop">>,
    Pick<PluginDefinition<Config>, "start" | "stop"> {
  readonly [brand]: true;
  /** The services that `routes` registers. */
  readonly services: readonly DescService[];
}

/**
 * Defines a plugin.
 *
 * ```ts
 * export default definePlugin({
 *   name: "markdown",
 *   version: "1.0.0",
 *   routes(router) {
 *     router.service(MarkdownService, { render: (request) => ({ html: toHtml(request.markdown) }) });
 *   },
 * });
 * ```
 *
 * @throws PlugboardError PB-PLUGIN-* that names the field at fault.
 */
export function definePlugin<Config extends DescMessage = GenMessage<Empty>, State = undefined>(
  definition: PluginDefinition<Config, State>,
): Plugin<Config> {
  // Another plugin may be spread into it; which services there are is found out anew.
  checkOptions("definePlugin()", definition as unknown as Plugin, { ...optionNames, services: true, [brand]: true });
  const {
    name,
    version,
    description = "",
    protocolVersions = [1],
    dependencies = [],
    interceptors = [],
    // Without a schema, Config is its default, Empty.
    config = EmptySchema as DescMessage as Config,
  } = definition;
  if (!isName(name)) {
    throw pluginError("PB-PLUGIN-NAME", `name: ${quote(name)} is not a plugin name`);
  }
  if (typeof version !== "string" || !validateStrict(version)) {
    throw pluginError("PB-PLUGIN-VERSION", `version: ${quote(version)} is not a semantic version`);
  }
  checkProtocolVersions(protocolVersions);
  if (protocolVersions.length === 0) {
    throw pluginError("PB-PLUGIN-PROTOCOL-VERSIONS", "protocolVersions is empty");
  }
  checkDependencies(dependencies);
  return {
    // Of whatever type its state is, it finds its own there.
    ...(definition as PluginDefinition<Config>),
    [brand]: true,
    description,
    protocolVersions,
    dependencies,
    interceptors,
    config,
    services: learnServices(definition, config, Math.max(...protocolVersions)),
  };
}

/** True if the value was made by `definePlugin`, be it that of another copy of this package. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && brand in value;
}

function checkDependencies(dependencies: readonly PluginDependency[]) {
  const seen = new Set<string>();
  for (const { name, versionRange } of dependencies) {
    if (!isName(name) || seen.has(name)) {
      throw pluginError(
        "PB-PLUGIN-DEPENDENCY",
        `dependencies: ${quote(name)} is not a plugin name, or is listed twice`,
      );
    }
    seen.add(name);
    if (!isVersionRange(versionRange)) {
      throw pluginError(
        "PB-PLUGIN-DEPENDENCY",
        `dependencies: ${quote(versionRange)} for ${name} is not a version range`,
      );
    }
  }
}

function learnServices<Config extends DescMessage, State>(
  definition: PluginDefinition<Config, State>,
  config: Config,
  protocolVersion: number,
): readonly DescService[] {
  const { signal } = new AbortController();
  // Without start there is never another state than undefined, which State is then.
  const state = (definition.start && notYet()) as State;
  const context = { config: create(config), env: {}, protocolVersion, signal, state };
  let services: readonly DescService[];
  try {
    services = createServiceTable([(router) => definition.routes(router, context)]).services;
  } catch (error) {
    if (isPlugboardError(error)) {
      throw error;
    }
    throw pluginError("PB-PLUGIN-ROUTES", `routes() threw ${String(error)} when the plugin was defined`, {
      cause: error,
    });
  }
  const reserved = services.find((service) => service.typeName.startsWith("plugboard.plugin."));
  if (reserved !== undefined) {
    throw pluginError("PB-PLUGIN-RESERVED-SERVICE", `routes() registers ${reserved.typeName}, which is reserved`);
  }
  return services;
}

/** A placeholder for a state that does not exist yet: it can be taken apart and given to handlers, but not used. */
function notYet(): unknown {
  const refuse = () => {
    throw pluginError("PB-PLUGIN-STATE", "routes() read `state` while the plugin was defined, when there is none yet");
  };
  return new Proxy(() => undefined, {
    get: refuse,
    set: refuse,
    has: refuse,
    apply: refuse,
    construct: refuse,
    deleteProperty: refuse,
    defineProperty: refuse,
    getOwnPropertyDescriptor: refuse,
    getPrototypeOf: refuse,
    ownKeys: refuse,
  });
}

function isName(value: unknown): value is string {
  return typeof value === "string" && /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value);
}

/** Alternatives between "||", each a hyphen range or comparators that all have to hold; as npm has it. */
function isVersionRange(value: unknown): boolean {
  return typeof value === "string" && value.split("||").every(isAlternative);
}

function isAlternative(text: string): boolean {
  const compact = text
    .trim()
    .replace(/\s+/g, " ")
    .replaceAll(" - ", " ")
    .replace(/([<>=~^]) /g, "$1");
  return compact.split(" ").every((comparator) => {
    const version = /^(?:[<>]=?|[=~^])?(\*|\d.*)$/.exec(comparator)?.[1];
    return version !== undefined && (version === "*" || validate(version));
  });
}

function quote(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
