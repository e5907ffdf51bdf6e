import type { Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import type { ConnInfo } from "../../gen/plugin/grpc_broker_pb.ts";
import { GRPCBroker } from "../../gen/plugin/grpc_broker_pb.ts";
import type { Routes } from "../../plugin/service-table.ts";
import type { BrokerEnd } from "./create-broker.ts";

/** Serves StartStream, on the plugin's side. A later host takes the place of an earlier one. */
export function brokerRoutes(end: Pick<BrokerEnd, "run">): Routes {
  return (router) => router.service(GRPCBroker, { startStream: (requests) => end.run(requests) });
}

/**
 * Calls StartStream, on the host's side, and runs the broker's end over it. Returns at once: what becomes of the call is
 * told by those who use the broker.
 * @param signal Ends the call.
 */
export function startBrokerStream(end: Pick<BrokerEnd, "run">, transport: Transport, signal?: AbortSignal): void {
  const { promise: incoming, resolve } = Promise.withResolvers<AsyncIterable<ConnInfo>>();
  async function* received() {
    yield* await incoming;
  }
  const outgoing = end.run(received());
  resolve(createClient(GRPCBroker, transport).startStream(outgoing, signal === undefined ? {} : { signal }));
}
