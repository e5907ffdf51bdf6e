import * as https from "node:https";
import type { Duplex } from "node:stream";
import type { Address } from "../../address/endpoint.ts";
import type { ClientTls } from "../../address/tls-options.ts";
import { maxTimerMs } from "../../base/async/within.ts";
import { openSecureSocket } from "./open-socket.ts";

/** Keeps connections for further requests: for as long as a server says it will, which Node heeds only below a limit. */
export const reuse: https.AgentOptions = { keepAlive: true, timeout: maxTimerMs };

/** Gives HTTP/1.1 connections with TLS to one address, wherever that is. */
export class SecureAgent extends https.Agent {
  readonly #address: Address;
  readonly #tls: ClientTls;
  readonly #closing = new AbortController();

  constructor(address: Address, tls: ClientTls) {
    super(reuse);
    this.#address = address;
    this.#tls = tls;
  }

  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    openSecureSocket(this.#address, this.#tls, ["http/1.1"], this.#closing.signal).then(
      ({ socket }) => callback?.(null, socket),
      // Its types want a stream even where there is none.
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
    return undefined;
  }

  override destroy(): void {
    this.#closing.abort(new Error("the connection is closed"));
    super.destroy();
  }
}
