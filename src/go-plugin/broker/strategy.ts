import type { Duplex } from "node:stream";
import type { ConnInfo } from "../../gen/plugin/grpc_broker_pb.ts";

/** Longest wait for the other side, in milliseconds: as in go-plugin. */
export const waitMs = 5_000;

/** A strategy for making a broker's connections: over sockets of their own, or over streams of one that exists. */
export interface BrokerStrategy {
  /**
   * Lets the other side connect to an id. Returns what ends that.
   * @throws PlugboardError
   */
  listen(id: number, accept: (connection: Duplex) => void): Promise<() => Promise<void>>;
  /**
   * Finds out how to connect to an id of the other side. Returns what does it, as often as needed.
   * @param signal Gives up both.
   * @throws PlugboardError
   */
  reach(id: number, signal: AbortSignal): Promise<() => Promise<Duplex>>;
  /** A message of the other side. */
  receive(info: ConnInfo): void;
}
