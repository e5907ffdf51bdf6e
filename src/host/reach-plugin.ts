import type { ConnectOptions } from "../client/connect.ts";
import type { Connection } from "../client/connection.ts";
import { parseAddress } from "../client/target.ts";
import { connect } from "../node/connect.ts";
import type { Handshake } from "../node/handshake.ts";
import { parseHandshake } from "../node/handshake.ts";
import { isLoopback } from "../node/listen-address.ts";
import { isPlugboardError, PlugboardError } from "../plugin/errors.ts";
import { printable } from "../plugin/printable.ts";
import { untilAborted } from "../plugin/until-aborted.ts";
import type { PluginProcess } from "./plugin-process.ts";
import { describeExit } from "./plugin-process.ts";

/** How to reach a plugin process. */
export interface ReachOptions extends Omit<ConnectOptions, "dialTimeoutMs"> {
  /** Longest wait for the handshake and the first answer together, in milliseconds. */
  readonly startTimeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits for the handshake of a process, and connects to where it leads.
 * @throws PlugboardError PB-HANDSHAKE-*
 */
export async function reachPlugin(child: PluginProcess, options: ReachOptions): Promise<Connection> {
  const { startTimeoutMs, signal } = options;
  const giveUp = new AbortController();
  let awaited = "handshake";
  let hint: string | undefined;
  const timer = setTimeout(() => {
    const message = `no ${awaited} within ${startTimeoutMs} ms`;
    giveUp.abort(new PlugboardError("PB-HANDSHAKE-TIMEOUT", message, hint === undefined ? {} : { hint }));
  }, startTimeoutMs);
  void child.exited.then((exit) => {
    const message = `the process ended before its ${awaited}, ${describeExit(exit)}`;
    giveUp.abort(new PlugboardError("PB-HANDSHAKE-EXITED", message));
  });
  const either = AbortSignal.any([signal, giveUp.signal]);
  try {
    const handshake = parseHandshake(await untilAborted(either, child.firstLine));
    awaited = "first answer";
    hint = "The plugin listens, but does not say what it offers. If it only needs longer, raise startTimeoutMs.";
    return await connectTo(handshake, { ...options, signal: either, dialTimeoutMs: startTimeoutMs });
  } finally {
    clearTimeout(timer);
  }
}

async function connectTo(handshake: Handshake, options: ConnectOptions): Promise<Connection> {
  const { appProtocolVersion, network, address, certificate, protocol } = handshake;
  const { protocolVersions = [] } = options;
  if (protocolVersions.length > 0 && !protocolVersions.includes(appProtocolVersion)) {
    throw new PlugboardError(
      "PB-HANDSHAKE-APP-VERSION",
      `the plugin speaks application protocol version ${appProtocolVersion}, the host ${protocolVersions.join(", ")}`,
    );
  }
  if (
    (network !== "unix" && network !== "tcp") ||
    certificate !== "" ||
    !["ttrpc", "grpc", "connect"].includes(protocol)
  ) {
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

/** Adds what the process printed to the error of a handshake. It has to have ended, so that nothing more will come. */
export function withOutput(error: unknown, child: PluginProcess): unknown {
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
