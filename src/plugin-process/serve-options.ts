import type { DescMessage } from "@bufbuild/protobuf";
import type { ServerTls } from "../address/tls-options.ts";
import type { LogLevel } from "../base/log.ts";
import type { CallLimits } from "../call/call-policy.ts";
import { limitError } from "../call/time/errors.ts";
import { checkGracePeriod } from "../call/time/grace-period.ts";
import type { Keepalive } from "../call/time/keepalive.ts";
import type { MagicCookie } from "../go-plugin/handshake.ts";
import type { PluginSettings } from "../go-plugin/settings/read.ts";
import { readSettings } from "../go-plugin/settings/read.ts";
import type { ProxyOptions } from "../node/trusted-proxy.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { PolicyOptions } from "../policy/create-call-policy.ts";
import { policyNames } from "../policy/create-call-policy.ts";
import type { Hsts } from "../policy/hsts.ts";
import { hstsValue } from "../policy/hsts.ts";
import type { TokenRate } from "../policy/rate-limit/token-buckets.ts";
import type { StandardService } from "../services/standard-service.ts";

/** Milliseconds that calls in flight may take once the plugin was told to stop. */
export const defaultGracePeriodMs = 5_000;

/** Options for `serve`. docs/settings.md names the environment variable that stands in for an option that is left out. */
export interface ServeOptions<Config extends DescMessage = DescMessage> extends PolicyOptions {
  /**
   * Limits on calls. Default: messages of 4 MiB, and 1,024 calls at once on a connection; where the plugin stands alone
   * on TCP, the limits of the edge, too.
   */
  readonly limits?: Partial<CallLimits>;
  /** The configuration. Default: the JSON in the environment variable PLUGBOARD_CONFIG, or none. */
  readonly config?: ConfigInit<Config>;
  /**
   * Milliseconds that calls in flight, and handlers that go on after their calls, may take once the plugin was told to
   * stop; `Infinity` for any number. Default: 5,000.
   */
  readonly gracePeriodMs?: number;
  /**
   * Pings that find out that a client has vanished. Default: a ping after 30,000 ms of silence, and 10,000 ms to
   * respond to it; on a Unix socket none, as it tells when a client has ended. Over HTTP/1.1 there are no pings.
   */
  readonly keepalive?: Partial<Keepalive>;
  /**
   * Milliseconds that a connection of HTTP/1.1 may wait for its next request: longer than a load balancer in front
   * keeps it. Default: 75,000.
   */
  readonly idleConnectionMs?: number;
  /** Connections that may be open at once, of every protocol; those beyond are closed. Default: any number. */
  readonly maxConnections?: number;
  /**
   * `Strict-Transport-Security`: how long browsers reach this host over HTTPS alone, once they have; sent in TLS only.
   * `false` sends nothing. Default: two years, without the hosts below this one.
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
   * alone. Of what it says, only the address that a request came from counts. Default: none is in front.
   */
  readonly behindProxy?: ProxyOptions;
  /**
   * Services beside the plugin's own. Default: `[health(), reflection()]` on a Unix socket and for the host that has
   * started the plugin; `[health()]` where it stands alone on TCP, as strangers may ask there. The variable
   * PLUGIN_HEALTH_SERVICE_ENABLED takes health out of the default.
   */
  readonly services?: readonly StandardService[];
  /**
   * The handshake that an application of the go-plugin family has agreed on with its plugins. Default: only hosts of
   * Plugboard's can start this plugin.
   */
  readonly handshake?: { readonly cookie: MagicCookie };
  /**
   * Speak TLS alone, with these certificates; a host has to know about it. Default: with a certificate that is made for
   * the host, if that wants it (PLUGIN_CLIENT_CERT); else what PLUGIN_SERVER_CERT, PLUGIN_SERVER_KEY and
   * PLUGIN_CLIENT_ROOT_CERTS say; else no TLS.
   */
  readonly tls?: ServerTls;
  /** True if a host may have both sides make certificates for one start (AutoMTLS of go-plugin). Default: true. */
  readonly autoMtls?: boolean;
  /**
   * The address to listen on, with a host and without: an absolute path, "unix:/path", "127.0.0.1:4000" or
   * "tcp:127.0.0.1:4000"; `--listen` on the command line goes before. Default: where the host wants it; without a host
   * the plugin doesn't start.
   */
  readonly listen?: string;
  /**
   * Transports for a plugin that a host has started, unless `listen` says where: the first of these. TCP is the
   * loopback interface. Default: ["unix", "tcp"].
   */
  readonly transports?: readonly ("unix" | "tcp")[];
  /** When this file is there, it is removed and the plugin stops as on SIGTERM. Default: none. */
  readonly shutdownFile?: string;
  /**
   * Calls that all callers together may make; `rateLimit` counts each caller's. A field that is left out has its
   * default: 100 a second, 200 at once. `false` is any number. Default: false.
   */
  readonly processRateLimit?: Partial<TokenRate> | false;
  /** The least urgent of Plugboard's own lines on stderr. Default: "INFO". */
  readonly logLevel?: LogLevel;
  /** The command line, without interpreter and script. Default: that of the process. */
  readonly args?: readonly string[];
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
  services: true,
  handshake: true,
  tls: true,
  autoMtls: true,
  listen: true,
  transports: true,
  shutdownFile: true,
  processRateLimit: true,
  logLevel: true,
  args: true,
};

/**
 * Checks what can be checked before anything is read or made.
 * @throws PlugboardError PB-OPTION-UNKNOWN, PB-LIMIT-INVALID
 */
export function checkServeOptions<Config extends DescMessage>(options: ServeOptions<Config>): void {
  checkOptions<ServeOptions>("serve()", options, optionNames);
  checkOptions<ServerTls>("tls", options.tls, { certificate: true, key: true, clientRoots: true });
  checkOptions<NonNullable<ServeOptions["handshake"]>>("handshake", options.handshake, { cookie: true });
  hstsValue(options.hsts);
  for (const name of ["idleConnectionMs", "maxConnections"] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 1)) {
      throw limitError("PB-LIMIT-INVALID", `${name} is ${value}`);
    }
  }
  checkGracePeriod(options.gracePeriodMs ?? defaultGracePeriodMs);
}

/**
 * Reads from the environment what the options leave out.
 * @throws PlugboardError PB-SETTING-INVALID, PB-OPTION-UNKNOWN
 */
export function readServeSettings<Config extends DescMessage>(
  options: ServeOptions<Config>,
  env: NodeJS.ProcessEnv,
): PluginSettings {
  const { processRateLimit } = options;
  const rate = processRateLimit || undefined;
  checkOptions<Partial<TokenRate>>("processRateLimit", rate, { perSecond: true, burst: true });
  return readSettings(
    "plugin",
    {
      PLUGIN_SERVER_TRANSPORTS: options.transports,
      PLUGIN_SERVER_ENDPOINT: options.listen,
      PLUGIN_AUTO_MTLS: options.autoMtls,
      PLUGIN_SHUTDOWN_FILE_PATH: options.shutdownFile,
      PLUGIN_RATE_LIMIT_ENABLED: processRateLimit === undefined ? undefined : processRateLimit !== false,
      PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND: rate?.perSecond,
      PLUGIN_RATE_LIMIT_BURST_CAPACITY: rate?.burst,
      PLUGIN_LOG_LEVEL: options.logLevel,
    },
    env,
  );
}
