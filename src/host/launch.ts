import * as path from "node:path";
import type { ClientTls } from "../address/tls-options.ts";
import type { Log } from "../base/log.ts";
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
import type { LoadOptions } from "./load-options.ts";
import type { LoadedPlugin } from "./loaded-plugin.ts";
import { createLoadedPlugin } from "./loaded-plugin.ts";
import type { ReattachedPlugin } from "./reattach.ts";

/** Largest message that is taken from a plugin made with go-plugin, unless told otherwise; their own hosts set no limit. */
const goPluginMessageBytes = 64 * 1024 * 1024;

/** What a launch needs of its host. */
interface LaunchingHost {
  readonly settings: HostSettings;
  readonly gracePeriodMs: number;
  readonly timeoutMs: number | undefined;
  readonly log: Log;
  /** All that were started and have not been stopped. */
  readonly processes: Set<PluginProcess>;
  readonly plugins: Set<LoadedPlugin | ReattachedPlugin>;
}

/** Launches a plugin and connects to it, at one attempt. */
export async function launch(
  options: LoadOptions & { readonly signal: AbortSignal },
  { settings, gracePeriodMs, timeoutMs: defaultTimeoutMs, log, processes, plugins }: LaunchingHost,
): Promise<LoadedPlugin> {
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
  const cookie = handshake?.cookie ?? cookieOf(settings);
  const tls = wantsTls(wantedTls, settings) ? await tlsFor(wantedTls, settings, log) : undefined;
  const asGoPlugin = handshake !== undefined && (options.require?.protocols?.includes("grpc") ?? true);
  const added = { ...launchEnvironment({ env, config, cookie, protocolVersions, asGoPlugin }), ...tls?.env };
  // Before it has said its own name, that of its program.
  let name = programOf(command);
  const output = pluginOutput({ ...(onOutput && { onOutput }), ...(onLog && { onLog }) }, () => name, log);
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
  processes.add(child);
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
      processes.delete(child);
      plugins.delete(plugin);
    };
    const own = await ownServices(reached, {
      printed: output.printed,
      broker: {
        socketDirectory: child.directory,
        maxMessageBytes: options.maxMessageBytes ?? goPluginMessageBytes,
        log: log,
        ...(reached.tls && { secure: reached.tls.secure }),
      },
    });
    const plugin = createLoadedPlugin({
      pid,
      child,
      ...reached,
      own,
      gracePeriodMs,
      timeoutMs: timeoutMs ?? defaultTimeoutMs,
      onClose,
    });
    plugins.add(plugin);
    return plugin;
  } catch (error) {
    await child.stop(0);
    processes.delete(child);
    throw withOutput(error, child);
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
