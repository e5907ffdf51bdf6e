import type { Duplex } from "node:stream";
import type { ConnectError } from "@connectrpc/connect";
import type { CallPolicy } from "../../call/call-policy.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import type { HostRule } from "../../http/hosts.ts";
import type { ServiceTable } from "../../plugin/service-table.ts";
import type { TrustedProxy } from "../trusted-proxy.ts";

/**
 * Milliseconds that an idle connection stays open when the server stops, or later: for a request that is on its way,
 * and so that clients of HTTP/1.1 that call all the time hear by `Connection: close` that it ends.
 */
export const lastCallMs = 250;

/** Serves one protocol on the connections that a listener hands it. */
export interface ProtocolServer {
  /** Serves on a connection: also on one that comes while it drains, which it tells so. */
  accept(socket: Duplex): void;
  /** Takes no new calls. Settles when none is in flight and no handler runs any more. */
  drain(): Promise<void>;
  /** Ends the calls in flight; their callers and handlers are told the reason. */
  abort(reason: ConnectError): void;
}

/** Options for serving a protocol. */
export interface ProtocolServerOptions {
  readonly table: ServiceTable;
  /** The limits, gates and observer of every call. */
  readonly policy: CallPolicy;
  /** Milliseconds that a connection may take until its request's headers are there. */
  readonly headerTimeoutMs: number;
  /** Pings that find out that a client has vanished. */
  readonly keepalive: Keepalive;
}

/** Options for serving HTTP. */
export interface HttpServerOptions extends ProtocolServerOptions {
  /** Origins whose pages may call. */
  readonly origins: readonly string[];
  /** Gets an origin that is refused. */
  readonly originRefused?: (origin: string) => void;
  /** Milliseconds that a connection of HTTP/1.1 may wait for its next request. */
  readonly idleConnectionMs: number;
  /** `Strict-Transport-Security` of responses, where connections are in TLS. */
  readonly hsts?: string | undefined;
  /** Hosts that requests may be for. Default: any. */
  readonly hosts?: HostRule | undefined;
  /** The proxy that is trusted to say where requests come from. Default: none. */
  readonly proxy?: TrustedProxy | undefined;
}
