import { within } from "../base/async/within.ts";
import type { Log } from "../base/log.ts";
import { withDefaultTimeout } from "../client/calls/default-timeout.ts";
import { readLate } from "../client/calls/read-late.ts";
import { createScopedClient } from "../client/calls/scoped-client.ts";
import type { ConnectOptions } from "../client/connect.ts";
import type { Connection } from "../client/connection.ts";
import { clientError } from "../client/errors.ts";
import { useGoPluginServices } from "../go-plugin/host-services.ts";
import type { OutputListeners } from "../go-plugin/plugin-output.ts";
import { pluginOutput } from "../go-plugin/plugin-output.ts";
import { skipHostServices } from "../go-plugin/skip-host-services.ts";
import { connect } from "../node/dial/connect.ts";
import { removeStaleSocket } from "../node/listen/stale-socket.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { FollowedProcess } from "./child/follow-process.ts";
import { followProcess } from "./child/follow-process.ts";
import { hostError } from "./errors.ts";
import type { ReattachTarget, TerraformReattach } from "./reattach-target.ts";
import { readReattachTarget } from "./reattach-target.ts";
import { reportExit } from "./report-exit.ts";

/** Options for connecting to a plugin that runs already. */
export interface ReattachOptions
  extends Pick<
      ConnectOptions,
      "require" | "fallback" | "interceptors" | "dialTimeoutMs" | "maxMessageBytes" | "keepalive" | "signal" | "tls"
    >,
    Pick<OutputListeners, "onOutput"> {
  /**
   * Deadline of each call that has none of its own, in milliseconds. A call that is to have none says `timeoutMs: 0`. Default:
   * the host's.
   */
  readonly timeoutMs?: number;
}

/** A plugin that this host has not launched. Closing it leaves the process as it is: it belongs to another. */
export interface ReattachedPlugin extends Connection {
  readonly pid: number;
  /** The application protocol version of the target, if it named one. */
  readonly protocolVersion: number | undefined;
  /** Settles when the process has ended; never, if this was closed before. */
  readonly exited: Promise<void>;
  /**
   * Tells the plugin to end, then its process by SIGTERM and SIGKILL if it does not, and closes this.
   * @throws PlugboardError PB-CONNECTION-CLOSED if this was closed while the plugin ran
   */
  shutdown(): Promise<void>;
}

/** The names of those options. */
const optionNames: OptionNames<ReattachOptions> = {
  require: true,
  fallback: true,
  interceptors: true,
  dialTimeoutMs: true,
  maxMessageBytes: true,
  signal: true,
  tls: true,
  onOutput: true,
  timeoutMs: true,
  keepalive: true,
};

interface ReattachContext extends Omit<ReattachOptions, "timeoutMs"> {
  readonly timeoutMs: number | undefined;
  readonly gracePeriodMs: number;
  readonly log: Log;
  readonly onClose: () => void;
}

/** Milliseconds after SIGTERM for a process that did not end when it was asked. */
const lastChanceMs = 1_000;

/** Connects to a plugin that runs already; see Host.reattach. */
export async function reattach(
  target: ReattachTarget | TerraformReattach,
  { gracePeriodMs, log, onClose, ...given }: ReattachContext,
): Promise<ReattachedPlugin> {
  checkOptions<Omit<ReattachContext, "gracePeriodMs" | "log" | "onClose">>("reattach()", given, optionNames);
  const { onOutput, timeoutMs, ...options } = given;
  const { pid, address, protocol, protocolVersion } = readReattachTarget(target);
  const followed = followProcess(pid);
  if (followed === undefined) {
    throw hostError("PB-REATTACH-GONE", `no process has the id ${pid}`);
  }
  let connection: Connection;
  try {
    connection = await connect(address, {
      maxMessageBytes: 64 * 1024 * 1024,
      ...options,
      interceptors: (options.interceptors ?? []).map(skipHostServices),
      require: { ...(protocol && { protocols: [protocol] }), ...options.require },
    });
  } catch (error) {
    followed.close();
    throw error;
  }
  const hasOwnServices = protocol === undefined ? connection.manifest === undefined : protocol === "grpc";
  const nameOf = () => connection.manifest?.name ?? `process ${pid}`;
  const { printed } = pluginOutput(onOutput ? { onOutput } : {}, nameOf, log);
  const own = hasOwnServices ? useGoPluginServices(connection, { printed }) : undefined;
  const exited = followed.exited.then(() => hostError("PB-PLUGIN-EXITED", `the plugin's process ${pid} has ended`));
  let closing: Promise<void> | undefined;
  let ending: Promise<void> | undefined;
  let hasEnded = false;
  const detach = (reason?: Error) => {
    closing ??= (async () => {
      await own?.close();
      followed.close();
      await connection.close(reason);
      onClose();
    })();
    return closing;
  };
  const end = async () => {
    const start = performance.now();
    const wasAsked = (await own?.shutdown(gracePeriodMs, undefined)) === true;
    await endProcess(followed, gracePeriodMs - (performance.now() - start), wasAsked);
    if (address.startsWith("unix:")) {
      // It is gone already, or this user can't remove it.
      await removeStaleSocket(address.slice("unix:".length)).catch(() => undefined);
    }
    await detach();
  };
  const shutdown = async () => {
    if (ending === undefined && closing !== undefined && !hasEnded) {
      throw clientError("PB-CONNECTION-CLOSED", `the connection to process ${pid} is closed`, {
        hint: "Call shutdown() instead of close(); or reattach to the plugin, and shut it down then.",
      });
    }
    ending ??= hasEnded ? detach() : end();
    await ending;
  };
  // Who ends the plugin closes it, too.
  const close = (reason?: Error) => ending ?? detach(reason);
  const told = reportExit(own?.transport ?? connection.transport, exited, followed.hurry);
  const transport = readLate(withDefaultTimeout(told, timeoutMs));
  // A failure goes to the callers of close().
  void exited
    .then((reason) => {
      hasEnded = true;
      return detach(reason);
    })
    .catch(() => undefined);
  return {
    ...connection,
    transport,
    client: (service) => createScopedClient(service, transport),
    pid,
    protocolVersion,
    exited: followed.exited,
    shutdown,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** Ends a process that is not our own child. */
async function endProcess(followed: FollowedProcess, graceMs: number, wasAsked: boolean): Promise<void> {
  const ended = (timeoutMs: number) => within(Math.max(0, timeoutMs), followed.exited);
  if (wasAsked && (await ended(graceMs))) {
    return;
  }
  followed.signal("SIGTERM");
  if (!(await ended(wasAsked ? lastChanceMs : graceMs))) {
    followed.signal("SIGKILL");
    await ended(lastChanceMs);
  }
}
