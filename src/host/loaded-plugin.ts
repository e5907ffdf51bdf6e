import { withDefaultTimeout } from "../client/calls/default-timeout.ts";
import { readLate } from "../client/calls/read-late.ts";
import { createScopedClient } from "../client/calls/scoped-client.ts";
import type { Connection } from "../client/connection.ts";
import type { Handshake } from "../go-plugin/handshake.ts";
import type { GoPluginServices } from "../go-plugin/host-services.ts";
import type { Broker } from "../plugin/broker.ts";
import type { PluginProcess, ProcessExit } from "./child/spawn.ts";
import { describeExit } from "./child/spawn.ts";
import { hostError } from "./errors.ts";
import { reportExit } from "./report-exit.ts";

/** A plugin that a host has launched. Closing it ends the process. */
export interface LoadedPlugin extends Connection {
  readonly pid: number;
  /** The application protocol version that host and plugin have agreed on. */
  readonly protocolVersion: number;
  /** For services that the plugin is to call back, and those that it names by an id. Only if it was loaded with `handshake`. */
  readonly broker: Broker | undefined;
  /** Settles when the process has ended, however that came about. */
  readonly exited: Promise<ProcessExit>;
}

/** The parts of a loaded plugin. */
export interface LoadedPluginParts {
  readonly pid: number;
  readonly child: PluginProcess;
  readonly handshake: Handshake;
  readonly connection: Connection;
  /** For a plugin that speaks gRPC as go-plugin does. */
  readonly own: GoPluginServices | undefined;
  readonly gracePeriodMs: number;
  /** Deadline of calls without one of their own, in milliseconds. */
  readonly timeoutMs: number | undefined;
  /** Runs when it has been closed. */
  readonly onClose: () => void;
}

/** Puts together process and connection. */
export function createLoadedPlugin(parts: LoadedPluginParts): LoadedPlugin {
  const { pid, child, handshake, connection, own, gracePeriodMs, timeoutMs, onClose } = parts;
  const exited = child.exited.then((exit) =>
    hostError("PB-PLUGIN-EXITED", `the plugin's process ended ${describeExit(exit)}${child.printed()}`),
  );
  let closing: Promise<void> | undefined;
  const close = (reason?: Error, hasExited = false) => {
    closing ??= (async () => {
      const start = performance.now();
      const patient = !hasExited && gracePeriodMs > 0;
      const wasAsked = patient && (await own?.shutdown(gracePeriodMs, reason)) === true;
      await connection.close(reason);
      const left = Math.max(0, gracePeriodMs - (performance.now() - start));
      await Promise.all([child.stop(left, wasAsked), own?.close()]);
      onClose();
    })();
    return closing;
  };
  // Here, as the host's own calls, such as for the plugin's output, last as long as the plugin.
  const told = reportExit(own?.transport ?? connection.transport, exited);
  const transport = readLate(withDefaultTimeout(told, timeoutMs));
  // This must not end the host: a failure goes to the callers of close().
  void exited.then((reason) => close(reason, true)).catch(() => undefined);
  return {
    ...connection,
    transport,
    client: (service) => createScopedClient(service, transport),
    pid,
    broker: own?.broker,
    protocolVersion: handshake.appProtocolVersion,
    exited: child.exited,
    close: (reason) => close(reason),
    [Symbol.asyncDispose]: () => close(),
  };
}
