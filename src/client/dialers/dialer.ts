import type { Transport } from "@connectrpc/connect";
import type { Address, Carrier, Endpoint, Protocol } from "../../address/endpoint.ts";
import type { ClientTls } from "../../address/tls-options.ts";
import type { PlugboardError } from "../../base/errors.ts";
import { isPlugboardError } from "../../base/errors.ts";
import type { CallObserver } from "../../call/call-observer.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import { clientError } from "../errors.ts";
import type { HttpVersion } from "../routes/capability.ts";
import type { TokenSource } from "../token.ts";
import { isTlsFailure, tlsFailureIn } from "./failures/tls-failure.ts";

/** Options for dialing an address. */
export interface DialOptions {
  /** Size of one message on the wire, in bytes, above which a response is refused. */
  readonly maxMessageBytes: number;
  /** The caller's pings, which find out that a peer has vanished. */
  readonly keepalive?: Partial<Keepalive> | undefined;
  /** Replaces the global fetch, where a dialer uses fetch. */
  readonly fetch?: typeof globalThis.fetch;
  /** Speak TLS on sockets, and by https: with these certificates. */
  readonly tls?: ClientTls;
  /** Observe the calls of plugins in this process. */
  readonly observers?: readonly CallObserver[];
  /** Gives what a request that opens a connection is authorized by. Calls bring it themselves. */
  readonly token?: TokenSource;
}

/** A way to a plugin that is ready for calls. */
export interface Dialed {
  readonly transport: Transport;
  /** For an endpoint of which more is known. Default: `transport`. */
  knowing?(endpoint: Pick<Endpoint, "extensions" | "limits">): Transport;
  /** Closes what the dialer has opened. Calls in flight, and later ones, fail with the reason. */
  close(reason: Error): void | Promise<void>;
}

/**
 * Turns one (protocol, carrier) pair into a Connect transport.
 *
 * Dialing is lazy: the transport connects with its first call. If there is no connection it rejects with PB-DIAL-FAILED
 * or PB-TLS-*, and only then: those errors mean that nothing was sent and nothing was read from the caller's messages,
 * and the call goes on to the next route.
 */
export interface Dialer {
  readonly protocol: Protocol;
  readonly carrier: Carrier;
  /** As in the capability table. */
  readonly httpVersion?: HttpVersion;
  /** Uses `tls` for https:, as dialers of sockets always do. */
  readonly takesTls?: true;
  dial(address: Address, options: DialOptions): Dialed;
}

/** The errors that say by themselves why there is no connection. */
const told: ReadonlySet<string> = new Set(["PB-CALLER-REFUSED", "PB-DIAL-FAILED", "PB-TOKEN-INSECURE"]);

/**
 * The error for an address to which there is no connection, so that nothing was sent: PB-DIAL-FAILED, or PB-TLS-* if
 * TLS is the cause; or PB-CALLER-REFUSED if the caller was refused, PB-TOKEN-INSECURE if its token would not be safe.
 */
export function dialFailed(address: Pick<Address, "text">, cause: unknown): PlugboardError {
  if (isPlugboardError(cause) && told.has(cause.errorCode)) {
    return cause;
  }
  const tlsFailure = tlsFailureIn(cause, address.text);
  if (tlsFailure !== undefined) {
    return tlsFailure;
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  return clientError("PB-DIAL-FAILED", `can't connect to ${address.text} (${why})`, { cause });
}

/** True for an error that says that there is no connection, and that nothing was sent. */
export function isDialFailure(error: unknown): boolean {
  return isPlugboardError(error, "PB-DIAL-FAILED") || isTlsFailure(error);
}

/** True for an error that says that the server was reached, but has processed nothing of the call. */
export function isRefusal(error: unknown): boolean {
  return isPlugboardError(error, "PB-CALL-REFUSED");
}
