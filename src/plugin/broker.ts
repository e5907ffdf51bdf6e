import type { DescService } from "@bufbuild/protobuf";
import type { Client, ConnectRouter, Transport } from "@connectrpc/connect";

/**
 * Further connections between a plugin process and its host, each with a numeric id that one side tells the other, as a
 * field of some message: so that a method can be given a service to call back. Only where host and plugin speak gRPC as
 * HashiCorp go-plugin does.
 */
export interface Broker {
  /**
   * Serves to the other side, over a connection of its own, until it is closed.
   * @throws PlugboardError PB-BROKER-LIMIT, PB-BROKER-CLOSED; PB-TLS-CLIENT-CERTIFICATE if it takes one and there is none
   */
  serve(routes: (router: ConnectRouter) => unknown): Promise<BrokeredServer>;
  /**
   * Connects to the server that the other side offers under an id. It need not be up yet: this waits 5 s for it at
   * most.
   * @throws PlugboardError PB-BROKER-TIMEOUT or another PB-BROKER-* code; PB-DIAL-FAILED if nothing responds
   */
  dial(id: number, options?: BrokerDialOptions): Promise<BrokeredClient>;
}

/** Options for `dial`. */
export interface BrokerDialOptions {
  /** Gives up dialling. */
  readonly signal?: AbortSignal;
}

/** A server on a connection of its own. */
export interface BrokeredServer extends AsyncDisposable {
  /** By which the other side dials it. */
  readonly id: number;
  close(): Promise<void>;
}

/** A connection to what the other side serves. */
export interface BrokeredClient extends AsyncDisposable {
  /** A typed client; leaving a `for await` loop over a response early cancels the call. */
  client<Service extends DescService>(service: Service): Client<Service>;
  /** A Connect transport, for libraries that want one. */
  readonly transport: Transport;
  close(): Promise<void>;
}
