import * as http from "node:http";
import * as https from "node:https";
import { isIPv6 } from "node:net";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { connectFailure } from "../client/connect-failure.ts";
import type { Dialer, DialOptions } from "../client/dialer.ts";
import { dialFailed } from "../client/dialer.ts";
import { createEndingTransport } from "../client/ending-transport.ts";
import type { Address } from "../client/endpoint.ts";
import { getWhenShort } from "../client/get-when-short.ts";
import { untilAborted } from "../plugin/until-aborted.ts";
import { createHttp2Connection } from "./http2-connection.ts";
import { tellLoss } from "./tell-loss.ts";

type Http1TransportOptions = Parameters<typeof createConnectTransport>[0] & { httpVersion: "1.1" };
type Http2TransportOptions = Parameters<typeof createGrpcTransport>[0] & { httpVersion?: "2" };

const grpc = (options: Http2TransportOptions) => createGrpcTransport(options);
const connect2 = (options: Http2TransportOptions) => createConnectTransport({ ...options, httpVersion: "2" });
const connect1 = (options: Http1TransportOptions) => createConnectTransport(options);
const cacheableConnect1 = (options: Http1TransportOptions) =>
  getWhenShort(createConnectTransport({ ...options, useHttpGet: true }), createConnectTransport(options));
const grpcWeb1 = (options: Http1TransportOptions) => createGrpcWebTransport(options);

/** Calls over Node's own HTTP clients: to Unix sockets, TCP addresses, and http: and https: URLs. */
export const httpDialers: readonly Dialer[] = [
  { protocol: "grpc", carrier: "unix", httpVersion: "2", dial: dialHttp2(grpc) },
  { protocol: "connect", carrier: "unix", httpVersion: "2", dial: dialHttp2(connect2) },
  { protocol: "connect", carrier: "unix", httpVersion: "1.1", dial: dialHttp1(connect1) },
  { protocol: "grpc", carrier: "tcp", httpVersion: "2", dial: dialHttp2(grpc) },
  { protocol: "connect", carrier: "tcp", httpVersion: "2", dial: dialHttp2(connect2) },
  { protocol: "connect", carrier: "tcp", httpVersion: "1.1", dial: dialHttp1(connect1) },
  { protocol: "connect", carrier: "http", dial: dialHttp1(cacheableConnect1) },
  { protocol: "grpc-web", carrier: "http", dial: dialHttp1(grpcWeb1) },
];

function dialHttp2(createTransport: (options: Http2TransportOptions) => Transport): Dialer["dial"] {
  return (address, options) => {
    const { baseUrl, socket } = http2Address(address);
    const connection = createHttp2Connection(baseUrl, socket, address);
    const openFirst: Interceptor = (next) => async (request) => {
      request.signal.throwIfAborted();
      await untilAborted(request.signal, connection.open());
      return next(request);
    };
    const { transport, end } = createEndingTransport(
      createTransport({ ...common(options, address, openFirst), baseUrl, sessionManager: connection }),
    );
    return {
      transport,
      close(reason) {
        end(reason);
        connection.close();
      },
    };
  };
}

function dialHttp1(createTransport: (options: Http1TransportOptions) => Transport): Dialer["dial"] {
  return (address, options) => {
    const { baseUrl, agent, ...connection } = http1Address(address);
    const tellDialFailure: Interceptor = (next) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        const cause = connectFailure(error);
        throw cause === undefined ? error : dialFailed(address, cause);
      }
    };
    const { transport, end } = createEndingTransport(
      createTransport({
        ...common(options, address, tellDialFailure),
        baseUrl,
        httpVersion: "1.1",
        nodeOptions: { ...connection, agent },
      }),
    );
    return {
      transport,
      close(reason) {
        end(reason);
        agent.destroy();
      },
    };
  };
}

function common(options: DialOptions, address: Address, interceptor: Interceptor) {
  return {
    interceptors: [tellLoss(address), interceptor],
    readMaxBytes: options.maxMessageBytes,
    // On one machine compressing costs more than it saves.
    ...(address.carrier !== "http" && { acceptCompression: [] }),
  };
}

function http2Address(address: Address) {
  switch (address.carrier) {
    case "unix":
      return { baseUrl: "http://localhost", socket: { path: address.path } };
    case "tcp": {
      const { host, port } = address;
      // Node leaves out the brackets that an IPv6 address needs in a request's authority.
      return { baseUrl: `http://${isIPv6(host) ? "localhost" : host}:${port}`, socket: { host, port } };
    }
    default:
      throw new TypeError(`not for HTTP/2: ${address.text}`);
  }
}

function http1Address(address: Address) {
  switch (address.carrier) {
    case "unix":
      return { baseUrl: "http://localhost", socketPath: address.path, agent: keepAlive(http.Agent) };
    case "tcp":
      return { baseUrl: `http://${address.text.slice("tcp:".length)}`, agent: keepAlive(http.Agent) };
    case "http":
      return { baseUrl: address.url, agent: keepAlive(address.url.startsWith("https:") ? https.Agent : http.Agent) };
    default:
      throw new TypeError(`not for HTTP: ${address.text}`);
  }
}

function keepAlive(Agent: typeof http.Agent): http.Agent {
  return new Agent({ keepAlive: true });
}
