import type { JsonObject } from "@bufbuild/protobuf";
import { onExit } from "signal-exit";
import { createCancellingClient } from "../client/cancelling-client.ts";
import type { ConnectOptions } from "../client/connect.ts";
import type { Connection } from "../client/connection.ts";
import { magicCookie } from "../node/handshake.ts";
import { PlugboardError } from "../plugin/errors.ts";
import type { OutputLine, PluginProcess, ProcessExit } from "./plugin-process.ts";
import { describeExit, startProcess } from "./plugin-process.ts";
import { reachPlugin, withOutput } from "./reach-plugin.ts";
import { tellExit } from "./tell-exit.ts";

/** How a host treats its plugins. */
export interface HostOptions {
  /** How long a plugin may take to end after it was told to, in milliseconds; then it is killed. Default: 5,000. */
  readonly gracePeriodMs?: number;
}

/** What to load, and how. */
export interface LoadOptions
  extends Pick<
    ConnectOptions,
    "require" | "fallback" | "interceptors" | "protocolVersions" | "maxMessageBytes" | "signal"
  > {
  /** The program and its arguments. No shell is involved. */
  readonly command: readonly [string, ...string[]];
  /** Working directory. Default: the host's. */
  readonly cwd?: string;
  /** Added to the host's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The plugin's configuration, as protobuf JSON. */
  readonly config?: JsonObject;
  /** Longest wait for the handshake and the first answer together, in milliseconds. Default: 10,000. */
  readonly startTimeoutMs?: number;
  /** Gets every line that the plugin prints after the handshake, and all of stderr. Default: to the host's stderr. */
  readonly onOutput?: (line: OutputLine) => void;
}

/** A plugin that a host has launched. Closing it ends the process. */
export interface LoadedPlugin extends Connection {
  readonly pid: number;
  /** Settles when the process has ended, however that came about. */
  readonly exited: Promise<ProcessExit>;
}

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
  /** All that were started and have not been stopped. */
  readonly #processes = new Set<PluginProcess>();
  readonly #plugins = new Set<LoadedPlugin>();
  readonly #starting = new Set<Promise<unknown>>();
  readonly #stopStarting = new AbortController();
  readonly #forgetExit: () => void;
  #closing: Promise<void> | undefined;

  constructor({ gracePeriodMs = 5_000 }: HostOptions = {}) {
    this.#gracePeriodMs = gracePeriodMs;
    // For a host that exits, crashes or is interrupted without having been closed. SIGKILL leaves no time for this:
    // then the plugins see the end of their stdin.
    this.#forgetExit = onExit(() => {
      for (const child of this.#processes) {
        child.kill();
      }
    });
  }

  /**
   * Launches a plugin and connects to it.
   * @throws PlugboardError PB-LAUNCH-* or PB-SOCKET-* if the process can't be started, PB-HANDSHAKE-* if it is no plugin
   * that fits; then the process has been ended, and the message holds what it printed.
   */
  async load(options: LoadOptions): Promise<LoadedPlugin> {
    if (this.#closing !== undefined) {
      throw new PlugboardError("PB-HOST-CLOSED", "the host is closed");
    }
    const loading = this.#load(options);
    this.#starting.add(loading);
    try {
      return await loading;
    } finally {
      this.#starting.delete(loading);
    }
  }

  /** Ends all plugins, also those that are just starting. May be called more than once. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#stopStarting.abort(new PlugboardError("PB-HOST-CLOSED", "the host was closed while the plugin started"));
      await Promise.allSettled(this.#starting);
      await Promise.all([...this.#plugins].map((plugin) => plugin.close()));
      this.#forgetExit();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #load(options: LoadOptions): Promise<LoadedPlugin> {
    const { command, cwd, config, env, startTimeoutMs = 10_000, onOutput = printToStderr, ...connecting } = options;
    const { protocolVersions } = connecting;
    const signals = [this.#stopStarting.signal, ...(options.signal ? [options.signal] : [])];
    const signal = AbortSignal.any(signals);
    signal.throwIfAborted();
    const child = startProcess({
      command,
      ...(cwd !== undefined && { cwd }),
      env: {
        ...env,
        [magicCookie.key]: magicCookie.value,
        PLUGBOARD_PARENT: "stdin",
        PLUGBOARD_PROTOCOLS: "ttrpc,grpc,connect",
        ...(protocolVersions?.length && { PLUGIN_PROTOCOL_VERSIONS: protocolVersions.join(",") }),
        ...(config && { PLUGBOARD_CONFIG: JSON.stringify(config) }),
      },
      onOutput,
    });
    this.#processes.add(child);
    const exited = child.exited.then(
      (exit) =>
        new PlugboardError("PB-PLUGIN-EXITED", `the plugin's process ended ${describeExit(exit)}${child.printed()}`),
    );
    try {
      const pid = await child.started;
      const connection = await reachPlugin(child, { ...connecting, startTimeoutMs, signal });
      return this.#loaded(pid, child, connection, exited);
    } catch (error) {
      await child.stop(0);
      this.#processes.delete(child);
      throw withOutput(error, child);
    }
  }

  #loaded(pid: number, child: PluginProcess, connection: Connection, exited: Promise<Error>): LoadedPlugin {
    const close = async (reason?: Error) => {
      await connection.close(reason);
      await child.stop(this.#gracePeriodMs);
      this.#processes.delete(child);
      this.#plugins.delete(plugin);
    };
    const transport = tellExit(connection.transport, exited);
    const plugin: LoadedPlugin = {
      ...connection,
      transport,
      client: (service) => createCancellingClient(service, transport),
      pid,
      exited: child.exited,
      close,
      [Symbol.asyncDispose]: () => close(),
    };
    this.#plugins.add(plugin);
    // Nobody waits for this, and it must not end the host; whoever calls close() is told.
    void exited.then(close).catch(() => undefined);
    return plugin;
  }
}

function printToStderr({ text }: OutputLine) {
  process.stderr.write(`${text}\n`);
}
