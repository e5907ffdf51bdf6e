import type { Duplex } from "node:stream";
import type { ConnectError } from "@connectrpc/connect";
import type { CallPolicy } from "../../call/call-policy.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import type { HostRule } from "../../http/hosts.ts";
import type { ServiceTable } from "../../plugin/service-table.ts";
import type { TrustedProxy } from "../trusted-proxy.ts";

/**
 * How long a connection that waits for a request when the server stops, or later, is there for one, in milliseconds: for one
 * that is on its way, and so that clients of HTTP/1.1 that call all the time hear by `Connection: close` that it ends.
 */
export const lastCallMs = 250;

/** What serves one protocol on the connections that a listener hands it. */
export interface ProtocolServer {
  /** Serves on a connection: also on one that comes while it drains, which it tells so. */
  accept(socket: Duplex): void;
  /** Takes no new calls. Settles when none is in flight and no handler runs any more. */
  drain(): Promise<void>;
  /** Ends the calls in flight; their callers and handlers are told the reason. */
  abort(reason: ConnectError): void;
}

/** How to serve a protocol. */
export interface ProtocolServerOptions {
  readonly table: ServiceTable;
  /** What holds for every call. */
  readonly policy: CallPolicy;
  /** How long a connection may take to say what it wants, in milliseconds. */
  readonly headerTimeoutMs: number;
  /** How a connection finds out that its client has vanished. */
  readonly keepalive: Keepalive;
}

/** How to serve HTTP. */
export interface HttpServerOptions extends ProtocolServerOptions {
  /** Origins whose pages may call. */
  readonly origins: readonly string[];
  /** Gets an origin that is refused. */
  readonly originRefused?: (origin: string) => void;
  /** How long a connection of HTTP/1.1 may wait for its next request, in milliseconds. */
  readonly idleConnectionMs: number;
  /** `Strict-Transport-Security` of responses, where connections are in TLS. */
  readonly hsts?: string | undefined;
  /** Hosts that requests may be for. Default: any. */
  readonly hosts?: HostRule | undefined;
  /** Whose word on where requests come from counts. Default: nobody's. */
  readonly proxy?: TrustedProxy | undefined;
}
