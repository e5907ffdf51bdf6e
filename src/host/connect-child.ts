import { Code } from "@connectrpc/connect";
import { parseAddress } from "../address/address.ts";
import { untilAborted } from "../base/async/until-aborted.ts";
import { isPlugboardError, PlugboardError } from "../base/errors.ts";
import { isLoopback } from "../base/loopback.ts";
import { printable } from "../base/printable.ts";
import type { ConnectOptions } from "../client/connect.ts";
import type { Connection } from "../client/connection.ts";
import { tlsRefusal } from "../client/dialers/failures/errors.ts";
import type { Requirements } from "../client/routes/negotiate.ts";
import { PluginService } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { handshakeError } from "../go-plugin/errors.ts";
import type { Handshake } from "../go-plugin/handshake.ts";
import { parseHandshake } from "../go-plugin/handshake.ts";
import type { HostSettings } from "../go-plugin/settings/read.ts";
import type { AgreedTls, HostTls } from "../go-plugin/tls/host-tls.ts";
import { connect } from "../node/dial/connect.ts";
import { pluginError } from "../plugin/errors.ts";
import type { PluginProcess } from "./child/spawn.ts";
import { describeExit } from "./child/spawn.ts";
import { hostError } from "./errors.ts";
import { printedErrors } from "./printed-error.ts";

/** Options for reaching a plugin process. */
export interface ReachOptions extends Omit<ConnectOptions, "dialTimeoutMs" | "tls"> {
  /** Milliseconds to wait for the handshake and the first response together. Default: as the settings say. */
  readonly startTimeoutMs: number | undefined;
  readonly settings: ReachSettings;
  readonly signal: AbortSignal;
  /** It was made for go-plugin's hosts: if it says that it speaks gRPC, that is all it speaks. */
  readonly isGoPlugin: boolean;
  /** True if it was given a configuration. */
  readonly hasConfig: boolean;
  /** Undefined: no TLS. */
  readonly hostTls: HostTls | undefined;
}

/** A plugin process that has responded. */
export interface ReachedPlugin {
  readonly handshake: Handshake;
  readonly connection: Connection;
  /** Its TLS, if it speaks TLS. */
  readonly tls: AgreedTls | undefined;
}

/** Code 0 says that the program ran to its end. */
const endedByItself =
  "A module that only defines a plugin ends like this: the command must run one that calls serve(plugin). A plugin " +
  "that was made for another host ends like this unless it gets that host's cookie, by the option `handshake`.";

type ReachSettings = Pick<
  HostSettings,
  "PLUGIN_CLIENT_TRANSPORTS" | "PLUGIN_HANDSHAKE_TIMEOUT" | "PLUGIN_CONNECTION_TIMEOUT"
>;

/**
 * Waits for the handshake of a process, and connects to where it leads.
 * @throws PlugboardError PB-HANDSHAKE-*, PB-TLS-*, PB-CONFIG-INVALID, PB-CALLER-REFUSED
 */
export async function connectChild(child: PluginProcess, options: ReachOptions): Promise<ReachedPlugin> {
  const { startTimeoutMs, settings, signal, isGoPlugin, hasConfig, hostTls, ...given } = options;
  const giveUp = new AbortController();
  let awaited = "handshake";
  let hint: string | undefined;
  const giveUpAfter = (timeoutMs: number) =>
    setTimeout(() => {
      const message = `no ${awaited} within ${timeoutMs} ms`;
      giveUp.abort(hostError("PB-HANDSHAKE-TIMEOUT", message, hint === undefined ? {} : { hint }));
    }, timeoutMs);
  let timer = giveUpAfter(startTimeoutMs ?? settings.PLUGIN_HANDSHAKE_TIMEOUT * 1000);
  child.exited.then(
    (exit) => {
      const message = `the process ended before its ${awaited}, ${describeExit(exit)}`;
      giveUp.abort(hostError("PB-HANDSHAKE-EXITED", message, exit.code === 0 ? { hint: endedByItself } : {}));
    },
    (error: unknown) => giveUp.abort(error),
  );
  const either = AbortSignal.any([signal, giveUp.signal]);
  try {
    const handshake = parseHandshake(await untilAborted(either, child.firstLine));
    if (handshake.network === "unix") {
      child.listensAt(handshake.address);
    }
    awaited = "first response";
    hint =
      "The plugin listens, but does not say what it offers. If it only needs longer, raise startTimeoutMs of load(), " +
      "connectionTimeoutMs of the host, or PLUGIN_CONNECTION_TIMEOUT.";
    const dialTimeoutMs = startTimeoutMs ?? settings.PLUGIN_CONNECTION_TIMEOUT * 1000;
    if (startTimeoutMs === undefined) {
      clearTimeout(timer);
      timer = giveUpAfter(dialTimeoutMs);
    }
    allowTransport(handshake, settings);
    const require = isGoPlugin && handshake.protocol === "grpc" ? grpcOnly(options.require) : options.require;
    const tls = await agreeOnTls(handshake, hostTls);
    const connecting = {
      ...given,
      ...(require && { require }),
      ...(tls && { tls: tls.client }),
      signal: either,
      dialTimeoutMs,
    };
    const connection = await connectTo(handshake, connecting);
    if (hasConfig && connection.manifest === undefined) {
      const refused = await refusesToTell(connection, either);
      await connection.close();
      throw refused ?? configUnseen();
    }
    return { handshake, connection, tls };
  } finally {
    clearTimeout(timer);
  }
}

/** The error of a plugin that does not tell this host what it is, because of who the host is. */
async function refusesToTell(connection: Connection, signal: AbortSignal): Promise<PlugboardError | undefined> {
  try {
    await connection.client(PluginService).describe({}, { signal });
    return undefined;
  } catch (error) {
    return isPlugboardError(error, "PB-CALLER-REFUSED") ? error : undefined;
  }
}

function configUnseen(): PlugboardError {
  return pluginError("PB-CONFIG-INVALID", "the plugin is not made with Plugboard, and can't read a configuration", {
    hint: "Leave out `config`. Pass what the plugin needs by `command` or `env`, or by a call of its own service.",
  });
}

function grpcOnly(requirements: Requirements = {}): Requirements {
  return { protocols: ["grpc"], ...requirements };
}

function allowTransport({ network }: Handshake, { PLUGIN_CLIENT_TRANSPORTS: allowed }: ReachSettings) {
  if (!allowed.some((each) => each === network)) {
    throw hostError(
      "PB-HANDSHAKE-UNSUPPORTED",
      `the plugin listens over ${network}, the host's transports are ${allowed.join(", ")}`,
      {
        hint:
          "Allow it by `transports` of the host or PLUGIN_CLIENT_TRANSPORTS, or let the plugin listen elsewhere: one made with " +
          "Plugboard does by `transports` of serve() or PLUGIN_SERVER_TRANSPORTS.",
      },
    );
  }
}

/** A certificate in the handshake is the plugin's reply to one of the host's, and trusted as that alone. */
async function agreeOnTls(handshake: Handshake, hostTls: HostTls | undefined): Promise<AgreedTls | undefined> {
  if (handshake.certificate !== "" && hostTls?.env.PLUGIN_CLIENT_CERT === undefined) {
    throw hostError(
      "PB-HANDSHAKE-CERTIFICATE-UNASKED",
      "the plugin has made a certificate, which the host did not ask for",
    );
  }
  return hostTls?.agreeOn(handshake);
}

async function connectTo(handshake: Handshake, options: ConnectOptions): Promise<Connection> {
  const { appProtocolVersion, network, address, protocol } = handshake;
  const { protocolVersions = [] } = options;
  if (protocolVersions.length > 0 && !protocolVersions.includes(appProtocolVersion)) {
    throw hostError(
      "PB-HANDSHAKE-APP-VERSION",
      `the plugin speaks application protocol version ${appProtocolVersion}, the host ${protocolVersions.join(", ")}`,
    );
  }
  if (protocol === "netrpc") {
    throw hostError("PB-HANDSHAKE-UNSUPPORTED", "the plugin speaks netrpc, Go's own net/rpc", {
      hint:
        "Let it serve gRPC: by GRPCServer in go-plugin's ServeConfig, and a plugin.GRPCPlugin. If it does so only in some " +
        "protocol versions, ask for one of them in protocolVersions.",
    });
  }
  if ((network !== "unix" && network !== "tcp") || !["ttrpc", "grpc", "connect"].includes(protocol)) {
    throw hostError(
      "PB-HANDSHAKE-UNSUPPORTED",
      `the plugin offers ${protocol} over ${network}, which this host can't call`,
    );
  }
  try {
    const place = parseAddress(`${network}:${address}`);
    if (place.carrier === "tcp" && !isLoopback(place.host)) {
      // A plugin must not have its host call whom it can't reach itself.
      throw hostError(
        "PB-HANDSHAKE-UNSUPPORTED",
        `the plugin says that it listens beyond this machine, at ${printable(address)}`,
        { hint: "Let it listen on a Unix socket or at the loopback interface, or connect() to it with TLS." },
      );
    }
    if (place.carrier === "tcp" && options.tls?.certificate === undefined) {
      // Everybody on this machine could call it, or take its place.
      throw hostError(
        "PB-HANDSHAKE-UNSUPPORTED",
        `the plugin listens on TCP, at ${address}, and the host presents no certificate`,
        {
          hint: 'Load it with tls: "auto", as over TCP both sides need a certificate; or let it listen on a Unix socket.',
        },
      );
    }
    return await connect(place.text, options);
  } catch (error) {
    const said = `the plugin said it listens at ${network}:${address}, but`;
    if (isPlugboardError(error, "PB-CONNECT-UNREACHABLE")) {
      throw hostError("PB-HANDSHAKE-SOCKET", `${said} ${whatHappened(error)}`, { cause: error });
    }
    if (isPlugboardError(error, "PB-TLS-REQUIRED")) {
      throw tlsRefusal("PB-TLS-REQUIRED", `${said} ${whatHappened(error)}`, {
        cause: error,
        hint:
          "Give host.load the option `tls` with the roots of the plugin's certificate, or set PLUGIN_SERVER_ROOT_CERTS, " +
          "PLUGIN_CLIENT_CERT and PLUGIN_CLIENT_KEY.",
      });
    }
    if (isPlugboardError(error, "PB-TARGET-UNSUPPORTED")) {
      throw handshakeError("PB-HANDSHAKE-INVALID", `${said} ${whatHappened(error)}`, { cause: error });
    }
    throw error;
  }
}

/** Adds what the process printed to the error of a handshake. It has to have ended, so that nothing more will come. */
export function withOutput(error: unknown, child: PluginProcess): unknown {
  if (!isPlugboardError(error) || !error.errorCode.startsWith("PB-HANDSHAKE-")) {
    return error;
  }
  const printed = child.printed();
  const { errorCode, cause = printedBy(printed) } = error;
  // A plugin of ours says itself what to do.
  const isExplained = errorCode === "PB-HANDSHAKE-EXITED" && cause instanceof PlugboardError;
  const hint = isExplained ? "Correct what the plugin says is wrong, then load it again." : error.hint;
  return new PlugboardError(errorCode, error.code, `${printable(whatHappened(error))}${printed}`, { hint, cause });
}

/** The error that a plugin has printed before it ended: by serve(), or by Node because it was not caught. */
function printedBy(printed: string): PlugboardError | undefined {
  const first = printedErrors(printed)[0];
  // Not by its own declaration: a plugin has a version of Plugboard of its own, and packages that are not loaded here.
  return first && new PlugboardError(first.code, Code.FailedPrecondition, first.message, { hint: first.hint });
}

/** The message of one of our errors without its code and its hint, to build another from. */
function whatHappened(error: PlugboardError): string {
  const text = error.rawMessage.slice(error.errorCode.length + 2);
  return text.endsWith(error.hint) ? text.slice(0, -error.hint.length - 1) : text;
}
