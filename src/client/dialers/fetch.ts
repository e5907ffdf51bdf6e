import type { Transport } from "@connectrpc/connect";
import type { CommonTransportOptions } from "@connectrpc/connect/protocol";
import type { Address } from "../../address/endpoint.ts";
import { detectRuntime } from "../../address/runtime.ts";
import { fairStream } from "../../call/fair-stream.ts";
import { createCallScope } from "../calls/call-scope.ts";
import { checkRequests } from "./checked-transport.ts";
import { createConnectUnary } from "./connect-unary.ts";
import type { Dialer, DialOptions } from "./dialer.ts";
import { mapRefusal } from "./failures/refused-response.ts";
import type { BodyMode, Fetch } from "./fetch-client.ts";
import { createFetchClient } from "./fetch-client.ts";
import { getWhenShort } from "./get-when-short.ts";

type CreateTransport = (options: CommonTransportOptions) => Transport;

/** The transports that unary calls over Connect do without. */
export interface FetchTransports {
  readonly connectTransport: CreateTransport;
  readonly grpcWebTransport: CreateTransport;
}

/** Makes the dialers of calls over the fetch API: in browsers, in Workers, by service bindings, and in whatever else has fetch. */
export function fetchDialers({ connectTransport, grpcWebTransport }: FetchTransports): readonly Dialer[] {
  const connect: CreateTransport = (options) => ({
    unary: createConnectUnary(options),
    stream: connectTransport(options).stream,
  });
  const cacheable: CreateTransport = (options) => {
    const post = connect(options);
    return getWhenShort({ unary: createConnectUnary({ ...options, byGet: true }), stream: post.stream }, post);
  };
  return [
    { protocol: "connect", carrier: "service-binding", dial: fetchDial(connect) },
    { protocol: "grpc-web", carrier: "service-binding", dial: fetchDial(grpcWebTransport) },
    { protocol: "connect", carrier: "http", dial: fetchDial(cacheable) },
    { protocol: "grpc-web", carrier: "http", dial: fetchDial(grpcWebTransport) },
  ];
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
        interceptors: [mapRefusal(address)],
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
