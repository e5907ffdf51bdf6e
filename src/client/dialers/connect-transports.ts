import type { Transport } from "@connectrpc/connect";
import type { CommonTransportOptions } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { stopAtResponse } from "../calls/stop-at-response.ts";
import { mapTruncation } from "./failures/truncated-response.ts";
import { fitGrpcTimeout } from "./grpc-timeout.ts";

// A file of its own, which browsers load when a call needs it.

/** Connect, with its streams. */
export function connectTransport(options: CommonTransportOptions): Transport {
  return createConnectTransport(withOurs(options));
}

/** gRPC-Web. */
export function grpcWebTransport(options: CommonTransportOptions): Transport {
  return createGrpcWebTransport(withOurs(options));
}

function withOurs(options: CommonTransportOptions): CommonTransportOptions {
  const { interceptors = [] } = options;
  return { ...options, interceptors: [...interceptors, mapTruncation, fitGrpcTimeout, stopAtResponse] };
}
