import type { Transport } from "@connectrpc/connect";
import type { CommonTransportOptions } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import type { Address } from "../../address/endpoint.ts";
import { detectRuntime } from "../../address/runtime.ts";
import { fairStream } from "../../call/fair-stream.ts";
import { createCallScope } from "../calls/call-scope.ts";
import { stopAtResponse } from "../calls/stop-at-response.ts";
import { checkRequests } from "./checked-transport.ts";
import type { Dialer, DialOptions } from "./dialer.ts";
import { mapRefusal } from "./failures/refused-response.ts";
import { mapTruncation } from "./failures/truncated-response.ts";
import type { BodyMode, Fetch } from "./fetch-client.ts";
import { createFetchClient } from "./fetch-client.ts";
import { getWhenShort } from "./get-when-short.ts";
import { fitGrpcTimeout } from "./grpc-timeout.ts";

/** Calls over the fetch API: in browsers, in Workers, by service bindings, and in whatever else has fetch. */
export const fetchDialers: readonly Dialer[] = [
  { protocol: "connect", carrier: "service-binding", dial: fetchDial(connectTransport) },
  { protocol: "grpc-web", carrier: "service-binding", dial: fetchDial(grpcWebTransport) },
  { protocol: "connect", carrier: "http", dial: fetchDial(cacheableConnectTransport) },
  { protocol: "grpc-web", carrier: "http", dial: fetchDial(grpcWebTransport) },
];

type CreateTransport = (options: CommonTransportOptions) => Transport;

function connectTransport(options: CommonTransportOptions): Transport {
  return createConnectTransport(options);
}

function cacheableConnectTransport(options: CommonTransportOptions): Transport {
  return getWhenShort(createConnectTransport({ ...options, useHttpGet: true }), createConnectTransport(options));
}

function grpcWebTransport(options: CommonTransportOptions): Transport {
  return createGrpcWebTransport(options);
}

function fetchDial(createTransport: CreateTransport): Dialer["dial"] {
  return (address, options) => {
    const { fetch, baseUrl } = fetchFor(address, options);
    const runtime = detectRuntime();
    const make = (body: BodyMode) =>
      createTransport({
        httpClient: createFetchClient(fetch, body, runtime, address),
        baseUrl,
        useBinaryFormat: true,
        interceptors: [mapRefusal(address), mapTruncation, fitGrpcTimeout, stopAtResponse],
        // The runtime decompresses by itself; gzip for streams comes with the platform's own streams.
        acceptCompression: [],
        sendCompression: null,
        compressMinBytes: Number.MAX_SAFE_INTEGER,
        readMaxBytes: options.maxMessageBytes,
        writeMaxBytes: 0xffffffff,
      });
    const whole = make("whole");
    const streamed = make("streamed");
    const { transport, end } = createCallScope(
      checkRequests({
        unary: whole.unary,
        async stream(method, ...rest) {
          const response = await (method.methodKind === "server_streaming" ? whole : streamed).stream(method, ...rest);
          // Workers that are bound to each other can share a thread, and fetch can lead to an app in the same process.
          return { ...response, message: fairStream(response.message) };
        },
      }),
    );
    return { transport, close: end };
  };
}

function fetchFor(address: Address, options: DialOptions): { readonly fetch: Fetch; readonly baseUrl: string } {
  switch (address.carrier) {
    case "http":
      return { fetch: (url, init) => (options.fetch ?? globalThis.fetch)(url, init), baseUrl: address.url };
    case "service-binding":
      // A binding ignores the host name; it has to be a valid one.
      return { fetch: (url, init) => address.binding.fetch(url, init), baseUrl: "https://plugin" };
    default:
      throw new TypeError(`fetch can't reach ${address.text}`);
  }
}
