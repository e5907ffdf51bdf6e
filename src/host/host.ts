import * as path from "node:path";
import { onExit } from "signal-exit";
import type { ClientTls } from "../address/tls-options.ts";
import type { Log } from "../base/log.ts";
import { createLog } from "../base/log.ts";
import type { GoPluginServicesOptions } from "../go-plugin/host-services.ts";
import { launchEnvironment } from "../go-plugin/launch-environment.ts";
import { pluginOutput } from "../go-plugin/plugin-output.ts";
import type { HostSettings } from "../go-plugin/settings/read.ts";
import { cookieOf } from "../go-plugin/settings/read.ts";
import { skipHostServices } from "../go-plugin/skip-host-services.ts";
import type { PluginProcess } from "./child/spawn.ts";
import { startProcess } from "./child/spawn.ts";
import type { VerifiedCommand } from "./child/verified-command.ts";
import type { ReachedPlugin } from "./connect-child.ts";
import { connectChild, withOutput } from "./connect-child.ts";
import { hostError } from "./errors.ts";
import type { HostOptions } from "./host-options.ts";
import { readHostSettings } from "./host-options.ts";
import { isTransient } from "./is-transient.ts";
import type { LoadOptions } from "./load-options.ts";
import { checkLoadOptions } from "./load-options.ts";
import type { LoadedPlugin } from "./loaded-plugin.ts";
import { createLoadedPlugin } from "./loaded-plugin.ts";
import type { ReattachedPlugin, ReattachOptions } from "./reattach.ts";
import type { ReattachTarget, TerraformReattach } from "./reattach-target.ts";

/** Largest message that is taken from a plugin made with go-plugin, unless told otherwise; their own hosts set no limit. */
const goPluginMessageBytes = 64 * 1024 * 1024;

/**
 * Launches plugin processes. However the host ends, it leaves no process, socket or directory behind.
 *
 * ```ts
 * await using host = new Host();
 * const markdown = await host.load({ command: ["node", "markdown.js"] });
 * await markdown.client(MarkdownService).render({ markdown: "# hi" });
 * ```
 */
export class Host implements AsyncDisposable {
  readonly #gracePeriodMs: number;
  readonly #timeoutMs: number | undefined;
  readonly #settings: HostSettings;
  readonly #log: Log;
  /** All that were started and have not been stopped. */
  readonly #processes = new Set<PluginProcess>();
  readonly #plugins = new Set<LoadedPlugin | ReattachedPlugin>();
  readonly #starting = new Set<Promise<unknown>>();
  readonly #stopStarting = new AbortController();
  readonly #forgetExit: () => void;
  #closing: Promise<void> | undefined;

  /** @throws PlugboardError PB-SETTING-INVALID, PB-OPTION-UNKNOWN, PB-LIMIT-INVALID */
  constructor(options: HostOptions = {}) {
    this.#settings = readHostSettings(options, process.env);
    const { gracePeriodMs = 5_000, timeoutMs } = options;
    this.#gracePeriodMs = gracePeriodMs;
    this.#timeoutMs = timeoutMs;
    this.#log = createLog(this.#settings.PLUGIN_LOG_LEVEL);
    // For a host that exits, crashes or is interrupted without having been closed. SIGKILL leaves no time for this:
    // then the plugins see the end of their stdin.
    this.#forgetExit = onExit(() => {
      for (const child of this.#processes) {
        child.kill();
      }
    });
  }

  /**
   * Launches a plugin and connects to it. A start that failed by chance is tried again, as `retry` says; nothing was called yet then.
   * @throws PlugboardError PB-OPTION-UNKNOWN or PB-LAUNCH-OPTION if an option is misspelt or of another kind, PB-LAUNCH-*
   * or PB-SOCKET-* if the process can't be started, PB-COOKIE-INVALID or PB-PLUGIN-PROTOCOL-VERSIONS if it is not to be, PB-TOKEN-INVALID, PB-CONFIG-INVALID if it
   * takes no configuration, PB-HANDSHAKE-* if it is no plugin that fits, PB-TLS-* if it can't be agreed on TLS with it; then
   * the process has been ended, and the message holds what it printed.
   */
  async load(options: LoadOptions): Promise<LoadedPlugin> {
    checkLoadOptions(options);
    return await this.#start(options.signal, (signal) => this.#loadAgain({ ...options, signal }));
  }

  /**
   * Connects to a plugin that runs already and that this host has not started, but another host, or a debugger.
   * @param target Also an entry of the environment variable TF_REATTACH_PROVIDERS.
   * @throws PlugboardError PB-REATTACH-* or PB-HANDSHAKE-UNSUPPORTED if there is no such plugin, and what connect() throws.
   */
  async reattach(target: ReattachTarget | TerraformReattach, options: ReattachOptions = {}): Promise<ReattachedPlugin> {
    return await this.#start(options.signal, async (signal) => {
      // Loaded here, as most hosts launch their plugins.
      const { reattach } = await import("./reattach.ts");
      const onClose = () => this.#plugins.delete(plugin);
      const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
      const plugin = await reattach(target, {
        ...options,
        signal,
        timeoutMs,
        gracePeriodMs: this.#gracePeriodMs,
        log: this.#log,
        onClose,
      });
      this.#plugins.add(plugin);
      return plugin;
    });
  }

  /** Ends all plugins, also those that are just starting. May be called more than once. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#stopStarting.abort(hostError("PB-HOST-CLOSED", "the host was closed while the plugin started"));
      await Promise.allSettled(this.#starting);
      await Promise.all([...this.#plugins].map((plugin) => plugin.close()));
      this.#forgetExit();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Starts something that the host's end gives up, and that it waits for. */
  async #start<T>(given: AbortSignal | undefined, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) {
      throw hostError("PB-HOST-CLOSED", "the host is closed");
    }
    const starting = start(AbortSignal.any([this.#stopStarting.signal, ...(given ? [given] : [])]));
    this.#starting.add(starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(starting);
    }
  }

  async #loadAgain(options: LoadOptions & { readonly signal: AbortSignal }): Promise<LoadedPlugin> {
    const startedAt = performance.now();
    const load = () => this.#load(options);
    try {
      return await load();
    } catch (error) {
      if (!this.#settings.PLUGIN_CLIENT_RETRY_ENABLED || !isTransient(error)) {
        throw error;
      }
      // Loaded here, as most plugins start at the first attempt.
      const { retry } = await import("./retry.ts");
      return await retry(load, error, {
        settings: this.#settings,
        log: this.#log,
        startedAt,
        signal: options.signal,
      });
    }
  }

  async #load(options: LoadOptions & { readonly signal: AbortSignal }): Promise<LoadedPlugin> {
    const {
      command,
      compileCache,
      cwd,
      config,
      env,
      inheritEnv = [],
      handshake,
      sha256,
      startTimeoutMs,
      timeoutMs,
      signal,
      ...rest
    } = options;
    const { onOutput, onLog, tls: wantedTls, ...connecting } = rest;
    const protocolVersions = handshake?.protocolVersions ?? options.protocolVersions;
    signal.throwIfAborted();
    const settings = this.#settings;
    const cookie = handshake?.cookie ?? cookieOf(settings);
    const tls = wantsTls(wantedTls, settings) ? await tlsFor(wantedTls, settings, this.#log) : undefined;
    const asGoPlugin = handshake !== undefined && (options.require?.protocols?.includes("grpc") ?? true);
    const added = { ...launchEnvironment({ env, config, cookie, protocolVersions, asGoPlugin }), ...tls?.env };
    // Before it has said its own name, that of its program.
    let name = programOf(command);
    const output = pluginOutput({ ...(onOutput && { onOutput }), ...(onLog && { onLog }) }, () => name, this.#log);
    let verified: VerifiedCommand | undefined;
    if (sha256 !== undefined) {
      const { verifiedCommand } = await import("./child/verified-command.ts");
      const environment = { cwd: cwd ?? process.cwd(), env: { ...process.env, ...added }, signal };
      verified = await verifiedCommand(command[0], sha256, environment);
    }
    const child = startProcess({
      command,
      ...(cwd !== undefined && { cwd }),
      ...verified,
      compileCache: compileCache ?? sha256 === undefined,
      env: added,
      inheritEnv,
      onStdout: (text) => output.printed({ stream: "stdout", text }),
      onStderr: output.stderr,
    });
    this.#processes.add(child);
    try {
      const pid = await child.started;
      const reached = await connectChild(child, {
        ...(handshake && { maxMessageBytes: goPluginMessageBytes }),
        ...connecting,
        ...(protocolVersions && { protocolVersions }),
        interceptors: (connecting.interceptors ?? []).map(skipHostServices),
        startTimeoutMs,
        settings,
        signal,
        isGoPlugin: handshake !== undefined,
        hasConfig: config !== undefined,
        hostTls: tls,
      });
      name = reached.connection.manifest?.name ?? name;
      const onClose = () => {
        this.#processes.delete(child);
        this.#plugins.delete(plugin);
      };
      const own = await ownServices(reached, {
        printed: output.printed,
        broker: {
          socketDirectory: child.directory,
          maxMessageBytes: options.maxMessageBytes ?? goPluginMessageBytes,
          log: this.#log,
          ...(reached.tls && { secure: reached.tls.secure }),
        },
      });
      const plugin = createLoadedPlugin({
        pid,
        child,
        ...reached,
        own,
        gracePeriodMs: this.#gracePeriodMs,
        timeoutMs: timeoutMs ?? this.#timeoutMs,
        onClose,
      });
      this.#plugins.add(plugin);
      return plugin;
    } catch (error) {
      await child.stop(0);
      this.#processes.delete(child);
      throw withOutput(error, child);
    }
  }
}

/** Options of Node whose value is a word of its own. */
const withValue: readonly (string | undefined)[] = [
  "--import",
  "--require",
  "-r",
  "--conditions",
  "-C",
  "--loader",
  "--env-file",
];

/** The name of a command: the file of a script, as that says more than "node". */
function programOf([program, ...args]: LoadOptions["command"]): string {
  const script = args.find((each, index) => !each.startsWith("-") && !withValue.includes(args[index - 1]));
  return path.basename(/^node(?:$|js|[.-])/.test(path.basename(program)) ? (script ?? program) : program);
}

function wantsTls(wanted: "auto" | ClientTls | undefined, settings: HostSettings): boolean {
  const { PLUGIN_CLIENT_CERT, PLUGIN_CLIENT_KEY, PLUGIN_SERVER_ROOT_CERTS } = settings;
  return [wanted, PLUGIN_CLIENT_CERT, PLUGIN_CLIENT_KEY, PLUGIN_SERVER_ROOT_CERTS].some((each) => each !== undefined);
}

async function tlsFor(wanted: "auto" | ClientTls | undefined, settings: HostSettings, log: Log) {
  // Loaded here, as most hosts need no TLS.
  const { prepareTls } = await import("../go-plugin/tls/host-tls.ts");
  return prepareTls(wanted, settings, log);
}

/**
 * A plugin that names gRPC in the handshake means it as go-plugin does: those of Plugboard name something better to
 * their host.
 */
async function ownServices({ handshake, connection }: ReachedPlugin, options: GoPluginServicesOptions) {
  if (handshake.protocol !== "grpc") {
    return undefined;
  }
  const { useGoPluginServices } = await import("../go-plugin/host-services.ts");
  return useGoPluginServices(connection, options);
}
