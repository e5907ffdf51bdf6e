import type { DescMessage } from "@bufbuild/protobuf";
import type { ServerTls } from "../address/tls-options.ts";
import type { CallLimits } from "../call/call-policy.ts";
import { limitError } from "../call/time/errors.ts";
import { checkGracePeriod } from "../call/time/grace-period.ts";
import type { Keepalive } from "../call/time/keepalive.ts";
import type { MagicCookie } from "../go-plugin/handshake.ts";
import type { PluginSettings } from "../go-plugin/settings/read.ts";
import type { ProxyOptions } from "../node/trusted-proxy.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { PolicyOptions } from "../policy/create-call-policy.ts";
import { policyNames } from "../policy/create-call-policy.ts";
import type { Hsts } from "../policy/hsts.ts";
import { hstsValue } from "../policy/hsts.ts";
import type { StandardService } from "../services/standard-service.ts";

/** Milliseconds that calls in flight may take once the plugin was told to stop. */
export const defaultGracePeriodMs = 5_000;

/** Options for `serve`. */
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
   * started the plugin; `[health()]` where it stands alone on TCP, as strangers may ask there. The setting
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
  services: true,
  handshake: true,
  tls: true,
  args: true,
  settings: true,
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
