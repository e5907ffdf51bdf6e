import { onExit } from "signal-exit";
import type { Log } from "../base/log.ts";
import { createLog } from "../base/log.ts";
import type { HostSettings } from "../go-plugin/settings/read.ts";
import type { PluginProcess } from "./child/spawn.ts";
import { hostError } from "./errors.ts";
import type { HostOptions } from "./host-options.ts";
import { readHostSettings } from "./host-options.ts";
import { isTransient } from "./is-transient.ts";
import type { LoadOptions } from "./load-options.ts";
import { checkLoadOptions } from "./load-options.ts";
import type { LoadedPlugin } from "./loaded-plugin.ts";
import type { ReattachedPlugin, ReattachOptions } from "./reattach.ts";
import type { ReattachTarget, TerraformReattach } from "./reattach-target.ts";

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
    // Loaded here, as a plugin process that launches none imports this module, too.
    const { launch } = await import("./launch.ts");
    const load = () =>
      launch(options, {
        settings: this.#settings,
        gracePeriodMs: this.#gracePeriodMs,
        timeoutMs: this.#timeoutMs,
        log: this.#log,
        processes: this.#processes,
        plugins: this.#plugins,
      });
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
}
