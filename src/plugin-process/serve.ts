import * as os from "node:os";
import * as path from "node:path";
import type { DescMessage } from "@bufbuild/protobuf";
import type { ServerTls } from "../address/tls-options.ts";
import { isPlugboardError, PlugboardError } from "../base/errors.ts";
import { formatLogEntry, log, setLogEntryWriter, setLogLevel } from "../base/log.ts";
import { setDeadlineTimer } from "../base/within.ts";
import type { CallLimits } from "../call/call-policy.ts";
import { announcedLimits, publicLimits, trustedLimits } from "../call/call-policy.ts";
import { checkGracePeriod } from "../call/time/grace-period.ts";
import type { Keepalive } from "../call/time/keepalive.ts";
import { keepaliveOn, withKeepalive } from "../call/time/keepalive.ts";
import type { MagicCookie } from "../go-plugin/handshake.ts";
import { formatHandshake, withoutHandshake } from "../go-plugin/handshake.ts";
import { logEntriesAsRecords } from "../go-plugin/hclog/console.ts";
import type { FamilyServices, FamilyServicesOptions } from "../go-plugin/plugin-services.ts";
import type { PluginSettings } from "../go-plugin/settings/read.ts";
import { cookieOf, readSettings } from "../go-plugin/settings/read.ts";
import { checkOrigins } from "../http/check-origins.ts";
import type { ListenAddress } from "../node/listen/listen-address.ts";
import { checkExposure, formatListenAddress, isOnNetwork, listenerEndpoints } from "../node/listen/listen-address.ts";
import { listen } from "../node/listen/listener.ts";
import { outliveReader } from "../node/own-streams.ts";
import type { ProxyOptions } from "../node/trusted-proxy.ts";
import { trustProxy } from "../node/trusted-proxy.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import { readConfigText } from "../plugin/config.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { createManifest } from "../plugin/manifest.ts";
import { startPlugin } from "../plugin/running-plugin.ts";
import { checkAccessRules } from "../policy/auth/access-rule.ts";
import type { PolicyOptions } from "../policy/create-call-policy.ts";
import { createCallPolicy, policyNames } from "../policy/create-call-policy.ts";
import { checkHosts } from "../policy/hosts.ts";
import type { Hsts } from "../policy/hsts.ts";
import { hstsValue } from "../policy/hsts.ts";
import { insecureCombinations } from "../policy/insecure-combinations.ts";
import { withLimits } from "../policy/with-limits.ts";
import { healthRoutes } from "../services/health-service.ts";
import { pluginServiceRoutes } from "../services/plugin-service.ts";
import { reflectionRoutes } from "../services/reflection-service.ts";
import type { HostedLaunch, Launch } from "./launch.ts";
import { readLaunch } from "./launch.ts";
import { placeFor } from "./socket-place.ts";
import { introduction } from "./usage.ts";

/** How to serve. */
export interface ServeOptions<Config extends DescMessage = DescMessage> extends PolicyOptions {
  /**
   * How much a caller may ask for. Default: messages of 4 MiB, and 1,024 calls at once on a connection; where the plugin
   * stands alone on TCP, what holds at the edge, too.
   */
  readonly limits?: Partial<CallLimits>;
  /** The configuration. Default: the JSON in the environment variable PLUGBOARD_CONFIG, or none. */
  readonly config?: ConfigInit<Config>;
  /**
   * How long calls in flight, and handlers that go on after their calls, may take once the plugin was told to stop, in
   * milliseconds; `Infinity` for as long as they like. Default: 5,000.
   */
  readonly gracePeriodMs?: number;
  /**
   * How connections find out that their client has vanished. Default: a ping after 30,000 ms of silence, and 10,000 ms to
   * respond to it; on a Unix socket none, as it tells when a client has ended. Over HTTP/1.1 there are no pings.
   */
  readonly keepalive?: Partial<Keepalive>;
  /**
   * How long a connection of HTTP/1.1 may wait for its next request, in milliseconds: longer than a load balancer in front
   * keeps it. Default: 75,000.
   */
  readonly idleConnectionMs?: number;
  /** How many connections may be open at once, of every protocol; those beyond are closed. Default: any number. */
  readonly maxConnections?: number;
  /**
   * How long browsers reach this host over HTTPS alone, once they have; sent in TLS only. `false` sends nothing. Default: two
   * years, without the hosts below this one.
   */
  readonly hsts?: Hsts | false;
  /** Origins whose pages may call, such as "https://app.example.com", where the plugin listens on TCP. Default: none. */
  readonly origins?: readonly string[];
  /**
   * Hosts that requests over HTTP may be for, as they name them, with or without port: "notes.example.com". Others get 421;
   * names of the loopback interface are always taken, "*" is any. Default: any; on plain TCP on the loopback interface, its
   * names alone.
   */
  readonly hosts?: readonly string[];
  /**
   * A reverse proxy is in front that ends TLS: then plain TCP may leave the loopback interface, for connections of the proxy
   * alone. Of what it says, only the address that a request came from counts. Default: nobody is in front.
   */
  readonly behindProxy?: ProxyOptions;
  /**
   * Let callers ask what there is to call, and how (gRPC server reflection). Default: true on a Unix socket and for the
   * host that has started the plugin; false where it stands alone on TCP, as strangers may ask there.
   */
  readonly reflection?: boolean;
  /**
   * What an application of the go-plugin family has agreed on with its plugins. Default: only hosts of Plugboard's can
   * start this plugin.
   */
  readonly handshake?: { readonly cookie: MagicCookie };
  /**
   * Speak TLS alone, with these certificates; a host has to know about it. Default: with a certificate that is made for
   * the host, if that wants it (PLUGIN_CLIENT_CERT); else what PLUGIN_SERVER_CERT, PLUGIN_SERVER_KEY and
   * PLUGIN_CLIENT_ROOT_CERTS say; else no TLS.
   */
  readonly tls?: ServerTls;
  /** The command line, without interpreter and script. Default: that of the process. */
  readonly args?: readonly string[];
  /** Settings that go before those in the environment; docs/settings.md has all of them. */
  readonly settings?: Partial<PluginSettings>;
}

const optionNames: OptionNames<ServeOptions> = {
  ...policyNames,
  config: true,
  gracePeriodMs: true,
  keepalive: true,
  idleConnectionMs: true,
  maxConnections: true,
  hsts: true,
  origins: true,
  hosts: true,
  behindProxy: true,
  reflection: true,
  handshake: true,
  tls: true,
  args: true,
  settings: true,
};

/**
 * Makes this process a plugin process. Started by a host, it answers with the handshake; started with
 * `--listen unix:/path` or `--listen tcp:127.0.0.1:4000` it stands alone; otherwise it says how to run it and exits. With
 * TLS, and `auth` or certificates on both sides, or behind a proxy, it may listen on other interfaces, too.
 * It ends by itself, with code 0, on SIGTERM, on SIGINT if it stands alone, and when its host is gone.
 *
 * What keeps it from starting is printed to stderr, and the process exits with code 1.
 */
export async function serve<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: ServeOptions<Config> = {},
): Promise<void> {
  outliveReader(process.stdout);
  outliveReader(process.stderr);
  try {
    await serveOrThrow(plugin, options);
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    process.exit(1);
  }
}

/** Our own errors say all in their message; what the plugin's own code threw needs its stack. */
function describeFailure(error: unknown): string {
  if (!isPlugboardError(error)) {
    return stacksOf(error);
  }
  const ofPlugin = error.errorCode === "PB-PLUGIN-START" || error.errorCode === "PB-PLUGIN-ROUTES";
  return ofPlugin ? `${error.rawMessage}\nCaused by: ${stacksOf(error.cause)}` : error.rawMessage;
}

/** The stack of an error and of its causes, but not their properties: there could be secrets in them. */
function stacksOf(error: unknown): string {
  const seen = new Set<unknown>();
  const stacks: string[] = [];
  for (let each = error; each !== undefined && !seen.has(each); each = each instanceof Error ? each.cause : undefined) {
    seen.add(each);
    stacks.push(each instanceof Error ? (each.stack ?? String(each)) : String(each));
  }
  return stacks.join("\nCaused by: ");
}

/**
 * Ends the process.
 * @param graceMs How long calls in flight may take, in milliseconds.
 * @param stopMs How long the plugin's stop hook may take after that. Default: 2,000.
 */
type End = (graceMs: number, stopMs?: number) => void;

async function serveOrThrow<Config extends DescMessage>(plugin: Plugin<Config>, options: ServeOptions<Config>) {
  checkOptions<ServeOptions>("serve()", options, optionNames);
  checkOptions<ServerTls>("tls", options.tls, { certificate: true, key: true, clientRoots: true });
  hstsValue(options.hsts);
  for (const name of ["idleConnectionMs", "maxConnections"] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 1)) {
      throw new PlugboardError("PB-LIMIT-INVALID", `${name} is ${value}`);
    }
  }
  const { gracePeriodMs = 5_000, origins = [] } = options;
  checkGracePeriod(gracePeriodMs);
  const { args = process.argv.slice(2), handshake } = options;
  const { env } = process;
  const settings = readSettings("plugin", options.settings ?? {}, env);
  setLogLevel(settings.PLUGIN_LOG_LEVEL);
  checkOptions<NonNullable<ServeOptions["handshake"]>>("handshake", handshake, { cookie: true });
  const cookie = handshake?.cookie ?? cookieOf(settings);
  const launch = readLaunch(plugin, env, args, settings, cookie);
  if (launch === undefined) {
    process.stderr.write(introduction(plugin));
    process.exit(1);
  }
  const hosted = launch.kind === "hosted";
  // What is printed to stdout is for whoever has started the process.
  const toStderr = (text: string) => {
    process.stderr.write(text);
  };
  if (hosted) {
    logEntriesAsRecords(plugin.name, toStderr);
  } else {
    setLogEntryWriter((entry) => toStderr(`${formatLogEntry(entry)}\n`));
  }
  const tls = await tlsFor(options.tls, settings, hosted);
  const hostAlone = isHostAlone(launch, tls?.certificate);
  checkAccessRules(plugin.services, hostAlone || options.auth !== undefined);
  const { PLUGBOARD_PARENT: parent, PLUGBOARD_CONFIG: configText } = env;
  const own = withoutHandshake(env, cookie?.key);
  // What this process starts has a handshake of its own, if any.
  for (const name of Object.keys(env).filter((each) => !(each in own))) {
    delete env[name];
  }
  const config =
    options.config ?? (configText ? readConfigText(plugin.config, configText, "PLUGBOARD_CONFIG") : undefined);

  const callerLimit = options.rateLimit?.open(own);

  const place = placeFor(launch);
  const { hosts, behindProxy } = options;
  checkHosts(hosts ?? []);
  const proxy = behindProxy && trustProxy(behindProxy);
  const exposure = { hosted, guarded: options.auth !== undefined, proxied: proxy !== undefined };
  checkExposure(place.address, tls?.server, exposure);
  // Also when the process crashes.
  process.once("exit", place.remove);
  // Until it listens there is nothing to wait for.
  let end: End = () => process.exit(0);
  process.on("SIGTERM", () => end(gracePeriodMs));
  // Ctrl-C reaches the whole process group; a host decides for its plugins itself.
  process.on("SIGINT", () => hosted || end(gracePeriodMs));
  if (hosted && parent === "stdin") {
    const hostGone = () => end(0);
    process.stdin.on("end", hostGone).on("close", hostGone).on("error", hostGone).resume();
  }

  const { PLUGIN_SHUTDOWN_FILE_PATH: shutdownFile } = settings;
  if (shutdownFile !== undefined) {
    const { watchForFile } = await import("./shutdown-file.ts");
    watchForFile(path.resolve(shutdownFile), () => end(gracePeriodMs));
  }

  const isPublic = !hosted && place.address.carrier === "tcp";
  checkOrigins(origins);
  for (const warning of insecureCombinations({ ...options, onNetwork: isOnNetwork(place.address) })) {
    log("WARNING", `${plugin.name}: ${warning}`);
  }
  const policyDefaults = isPublic ? publicLimits : trustedLimits;
  const limits = withLimits(policyDefaults, options.limits);
  const { maxMessageBytes } = limits;
  const protocolVersion = hosted ? launch.protocolVersion : Math.max(...plugin.protocolVersions);
  const manifest = createManifest(plugin, {
    protocolVersion,
    endpoints: listenerEndpoints(place.address, tls !== undefined),
    limits: announcedLimits(limits),
  });
  /** Aborted when the plugin is told to stop. */
  const draining = new AbortController();
  const { address } = place;
  const family = await familyServicesFor(launch, {
    name: plugin.name,
    end: (...times) => end(...times),
    address,
    shareSocket: place.shareOther,
    guarded: options.auth !== undefined,
    maxMessageBytes,
    ...(tls && { secure: tls.secure }),
  });
  const running = await startPlugin(plugin, {
    env: own,
    protocolVersion,
    standardRoutes: [
      pluginServiceRoutes(manifest),
      ...(settings.PLUGIN_HEALTH_SERVICE_ENABLED ? [healthRoutes(draining.signal)] : []),
      ...((options.reflection ?? !isPublic) ? [reflectionRoutes(draining.signal)] : []),
      ...(family.routes ?? []),
    ],
    ...(config && { config }),
    ...(family.broker && { broker: family.broker }),
  });
  const { own: ownServices } = running.table;
  const processLimit = settings.PLUGIN_RATE_LIMIT_ENABLED
    ? (await import("./process-rate-limit.ts")).limitProcess(settings, (service) => ownServices.includes(service))
    : undefined;
  const listener = await listen(running, address, {
    policy: createCallPolicy(options, policyDefaults, [processLimit, callerLimit], hostAlone),
    origins,
    keepalive: withKeepalive(options.keepalive, keepaliveOn(address.carrier)),
    ...(options.idleConnectionMs !== undefined && { idleConnectionMs: options.idleConnectionMs }),
    ...(options.maxConnections !== undefined && { maxConnections: options.maxConnections }),
    hsts: options.hsts,
    ...(hosts && { hosts }),
    ...(proxy && { proxy }),
    ...(family.multiplexer && { multiplexing: family.multiplexer }),
    ...(tls && { tls: tls.server, onRefused: tls.onRefused }),
  }).catch(async (error: unknown) => {
    await running.stop();
    throw error;
  });
  place.share();

  let ending = false;
  end = (graceMs, stopMs = 2_000) => {
    if (ending) {
      return;
    }
    ending = true;
    // A stop hook or a peer that hangs must not keep the process.
    setDeadlineTimer(() => process.exit(0), graceMs + stopMs).unref();
    draining.abort();
    const exit = () => process.exit(0);
    Promise.all([family.endStreams?.(), listener.drain(graceMs)])
      .then(() => family.close?.())
      .then(() => running.stop())
      .catch((error: unknown) => log("ERROR", `stopping: ${String(error)}`))
      .then(exit, exit);
  };

  // There will be no other connection to the host.
  const hostGone = () => end(0);
  family.multiplexer?.ended.then(hostGone, hostGone);
  process.stdout.write(
    `${hosted ? handshakeOf(launch, listener.address, tls?.certificate) : greeting(plugin, listener.address)}\n`,
  );
  family.takeOutput?.();
}

/**
 * Whether nobody but the host can call: at the socket in its own directory, or with the certificate that it has made for
 * this start. At an endpoint of the plugin's own, or as a member of a group, others can, too.
 */
function isHostAlone(launch: Launch, madeForHost: string | undefined): boolean {
  return (
    launch.kind === "hosted" && (!!madeForHost || (launch.listenAt === undefined && launch.socketGroup === undefined))
  );
}

/** What a host written with go-plugin expects beside the plugin's own services; one of ours does without. */
async function familyServicesFor(
  launch: Launch,
  options: Omit<FamilyServicesOptions, "socketDirectory" | "multiplex"> & {
    readonly address: ListenAddress;
    /** Whether callers have to say who they are. */
    readonly guarded: boolean;
  },
): Promise<Partial<FamilyServices>> {
  if (launch.kind === "hosted" && launch.host === "go-plugin") {
    const { createFamilyServices } = await import("../go-plugin/plugin-services.ts");
    const { address } = options;
    const socketDirectory = address.carrier === "unix" ? path.dirname(address.path) : os.tmpdir();
    return createFamilyServices({ ...options, socketDirectory, multiplex: launch.multiplex === "wanted" });
  }
  if (launch.kind === "standalone" && launch.listenAt.carrier === "unix" && !options.guarded) {
    // A host that attaches itself wants to be able to end the plugin. Callers with a token are no hosts.
    const { controllerRoutes } = await import("../go-plugin/controller.ts");
    return { routes: [controllerRoutes(options.end)] };
  }
  return {};
}

async function tlsFor(given: ServerTls | undefined, settings: PluginSettings, hosted: boolean) {
  const { PLUGIN_SERVER_CERT, PLUGIN_SERVER_KEY, PLUGIN_CLIENT_ROOT_CERTS, PLUGIN_CLIENT_CERT } = settings;
  const ofServer = [given, PLUGIN_SERVER_CERT, PLUGIN_SERVER_KEY, PLUGIN_CLIENT_ROOT_CERTS];
  if (ofServer.every((each) => each === undefined) && !(hosted && PLUGIN_CLIENT_CERT !== undefined)) {
    return undefined;
  }
  const { pluginTls } = await import("../go-plugin/tls/plugin-tls.ts");
  return pluginTls(given, settings, hosted);
}

function greeting({ name, version }: Plugin, address: ListenAddress): string {
  return `${name} ${version} listens on ${formatListenAddress(address)}`;
}

function handshakeOf(
  { protocolVersion, protocol, multiplex }: HostedLaunch,
  address: ListenAddress,
  certificate = "",
): string {
  return formatHandshake({
    appProtocolVersion: protocolVersion,
    network: address.carrier,
    // The host may have another working directory.
    address: address.carrier === "unix" ? path.resolve(address.path) : `${address.host}:${address.port}`,
    protocol,
    certificate,
    multiplex: multiplex !== "unasked",
  });
}
