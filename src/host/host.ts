import type { JsonObject } from "@bufbuild/protobuf";
import { onExit } from "signal-exit";
import type { ConnectOptions } from "../client/connect.ts";
import type { Connection } from "../client/connection.ts";
import { parseAddress } from "../client/target.ts";
import { connect } from "../node/connect.ts";
import type { Handshake } from "../node/handshake.ts";
import { magicCookie, parseHandshake } from "../node/handshake.ts";
import { isLoopback } from "../node/listen-address.ts";
import { isPlugboardError, PlugboardError } from "../plugin/errors.ts";
import { printable } from "../plugin/printable.ts";
import { untilAborted } from "../plugin/until-aborted.ts";
import type { OutputLine, PluginProcess, ProcessExit } from "./plugin-process.ts";
import { startProcess } from "./plugin-process.ts";

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
  /** Longest wait for the handshake, in milliseconds. Default: 10,000. */
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
  readonly #plugins = new Set<{ close(): Promise<void>; kill(): void }>();
  readonly #starting = new Set<Promise<unknown>>();
  readonly #stopStarting = new AbortController();
  readonly #forgetExit: () => void;
  #closing: Promise<void> | undefined;

  constructor({ gracePeriodMs = 5_000 }: HostOptions = {}) {
    this.#gracePeriodMs = gracePeriodMs;
    // For a host that exits, crashes or is interrupted without having been closed. SIGKILL leaves no time for this:
    // then the plugins see the end of their stdin.
    this.#forgetExit = onExit(() => {
      for (const plugin of this.#plugins) {
        plugin.kill();
      }
    });
  }

  /**
   * Launches a plugin and connects to it.
   * @throws PlugboardError PB-LAUNCH-* if the process can't be started, PB-HANDSHAKE-* if it is no plugin that fits;
   * then the process has been ended, and the message holds what it printed.
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
    const { command, cwd, config, env, protocolVersions, startTimeoutMs = 10_000, onOutput = printToStderr } = options;
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
        PLUGBOARD_PROTOCOLS: "grpc,connect",
        ...(protocolVersions?.length && { PLUGIN_PROTOCOL_VERSIONS: protocolVersions.join(",") }),
        ...(config && { PLUGBOARD_CONFIG: JSON.stringify(config) }),
      },
      onOutput,
    });
    const owned = { close: () => child.stop(this.#gracePeriodMs), kill: child.kill };
    this.#plugins.add(owned);
    try {
      const pid = await child.started;
      const handshake = await readHandshake(child, startTimeoutMs, signal);
      const connection = await connectTo(handshake, { ...options, signal });
      return this.#loaded(pid, child, connection, owned);
    } catch (error) {
      await child.stop(0);
      this.#plugins.delete(owned);
      throw withOutput(error, child);
    }
  }

  #loaded(pid: number, child: PluginProcess, connection: Connection, owned: { close(): Promise<void> }): LoadedPlugin {
    const plugins: Set<{ close(): Promise<void> }> = this.#plugins;
    const gracePeriodMs = this.#gracePeriodMs;
    const close = async (reason?: Error) => {
      await connection.close(reason);
      await child.stop(gracePeriodMs);
      plugins.delete(owned);
    };
    owned.close = close;
    void child.exited
      .then((exit) =>
        close(
          new PlugboardError("PB-PLUGIN-EXITED", `the plugin's process ended ${describeExit(exit)}${child.printed()}`),
        ),
      )
      // Nobody waits for this, and it must not end the host; whoever calls close() is told.
      .catch(() => undefined);
    return { ...connection, pid, exited: child.exited, close, [Symbol.asyncDispose]: () => close() };
  }
}

async function readHandshake(child: PluginProcess, startTimeoutMs: number, signal: AbortSignal): Promise<Handshake> {
  const timeout = new AbortController();
  const timer = setTimeout(
    () => timeout.abort(new PlugboardError("PB-HANDSHAKE-TIMEOUT", `no handshake within ${startTimeoutMs} ms`)),
    startTimeoutMs,
  );
  const exited = child.exited.then((exit) => {
    throw new PlugboardError("PB-HANDSHAKE-EXITED", `the process ended before its handshake, ${describeExit(exit)}`);
  });
  try {
    const line = Promise.race([child.firstLine, exited]);
    return parseHandshake(await untilAborted(AbortSignal.any([signal, timeout.signal]), line));
  } finally {
    clearTimeout(timer);
    exited.catch(() => {});
  }
}

async function connectTo(handshake: Handshake, options: LoadOptions): Promise<Connection> {
  const { appProtocolVersion, network, address, certificate, protocol } = handshake;
  const { protocolVersions = [] } = options;
  if (protocolVersions.length > 0 && !protocolVersions.includes(appProtocolVersion)) {
    throw new PlugboardError(
      "PB-HANDSHAKE-APP-VERSION",
      `the plugin speaks application protocol version ${appProtocolVersion}, the host ${protocolVersions.join(", ")}`,
    );
  }
  if ((network !== "unix" && network !== "tcp") || certificate !== "" || !["grpc", "connect"].includes(protocol)) {
    const tls = certificate === "" ? "" : " with TLS";
    throw new PlugboardError("PB-HANDSHAKE-UNSUPPORTED", `the plugin offers ${protocol} over ${network}${tls}`);
  }
  try {
    const place = parseAddress(`${network}:${address}`);
    if (place.carrier === "tcp" && !isLoopback(place.host)) {
      throw new PlugboardError(
        "PB-HANDSHAKE-UNSUPPORTED",
        `the plugin offers plain TCP beyond this machine, at ${address}`,
      );
    }
    return await connect(place.text, options);
  } catch (error) {
    const said = `the plugin said it listens at ${network}:${address}, but`;
    if (isPlugboardError(error, "PB-CONNECT-UNREACHABLE")) {
      throw new PlugboardError("PB-HANDSHAKE-SOCKET", `${said} ${whatHappened(error)}`, { cause: error });
    }
    if (isPlugboardError(error, "PB-TARGET-UNSUPPORTED")) {
      throw new PlugboardError("PB-HANDSHAKE-INVALID", `${said} ${whatHappened(error)}`, { cause: error });
    }
    throw error;
  }
}

/** Adds what the process printed to the error of a handshake. By now it has ended, and nothing more will come. */
function withOutput(error: unknown, child: PluginProcess): unknown {
  if (!isPlugboardError(error) || !error.errorCode.startsWith("PB-HANDSHAKE-")) {
    return error;
  }
  const { errorCode, hint, cause } = error;
  return new PlugboardError(errorCode, `${printable(whatHappened(error))}${child.printed()}`, { hint, cause });
}

/** The message of one of our errors without its code and its hint, to build another from. */
function whatHappened(error: PlugboardError): string {
  const text = error.rawMessage.slice(error.errorCode.length + 2);
  return text.endsWith(error.hint) ? text.slice(0, -error.hint.length - 1) : text;
}

function describeExit({ code, signal }: ProcessExit): string {
  return signal === null ? `with code ${code}` : `by ${signal}`;
}

function printToStderr({ text }: OutputLine) {
  process.stderr.write(`${text}\n`);
}
