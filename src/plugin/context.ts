import type { Broker } from "./broker.ts";

/**
 * The context of a plugin, one and the same for `start`, `routes` and `stop`.
 *
 * The bindings of a Worker are typed by annotating the parameter:
 * `routes(router, context: PluginContext<MarkdownConfig, { readonly BUCKET: R2Bucket }>) { ... }`.
 */
export interface PluginContext<Config = unknown, Env = Readonly<Record<string, unknown>>, State = unknown> {
  /** The checked configuration, a message of the plugin's `config` schema; google.protobuf.Empty if it has none. */
  readonly config: Config;
  /** At the edge the Worker's bindings, in a plugin process its environment variables, in process what the caller gave. */
  readonly env: Env;
  /** Version of the application protocol that was agreed on, of the plugin's `protocolVersions`; else its highest. */
  readonly protocolVersion: number;
  /** Further connections with the host, if that speaks gRPC as HashiCorp go-plugin does. */
  readonly broker?: Broker;
  /**
   * The value that the plugin's `start` returned, such as a connection to a database; undefined without `start`, and
   * within it. It is for the handlers: when `routes` runs at definition there is none yet, and reading from it throws
   * PB-PLUGIN-STATE.
   */
  readonly state: State;
  /** Aborted when the plugin stops. */
  readonly signal: AbortSignal;
}
