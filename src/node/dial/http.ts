import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { Address } from "../../address/endpoint.ts";
import { isPlugboardError } from "../../base/errors.ts";
import { foreignKeepalive, keepaliveOn, localKeepalive, withKeepalive } from "../../call/time/keepalive.ts";
import type { CallScope } from "../../client/calls/call-scope.ts";
import { createCallScope } from "../../client/calls/call-scope.ts";
import { stopAtResponse } from "../../client/calls/stop-at-response.ts";
import { checkRequests } from "../../client/dialers/checked-transport.ts";
import type { Dialer, DialOptions } from "../../client/dialers/dialer.ts";
import { dialFailed, isRefusal } from "../../client/dialers/dialer.ts";
import { connectFailure } from "../../client/dialers/failures/connect-failure.ts";
import { tlsFailureIn } from "../../client/dialers/failures/tls-failure.ts";
import { getWhenShort } from "../../client/dialers/get-when-short.ts";
import { fitGrpcTimeout } from "../../client/dialers/grpc-timeout.ts";
import type { TlsPeer } from "../tls/explain-tls.ts";
import { explainLateTls, explainTls } from "../tls/explain-tls.ts";
import { mapConnectionLoss } from "./connection-lost.ts";
import { createGrpcTransport } from "./grpc/transport.ts";
import { guardAgent, guardToken } from "./guard-token.ts";
import type { Http2Connection } from "./http2-connection.ts";
import { createHttp2Connection, openFirst } from "./http2-connection.ts";
import { openSecureSocket, placeOf } from "./open-socket.ts";
import { heedEnds } from "./reused-sockets.ts";
import { reuse, SecureAgent } from "./secure-agent.ts";

type Http1TransportOptions = Parameters<typeof createConnectTransport>[0] & { httpVersion: "1.1" };

/** Makes the transport of a protocol on a connection. */
type OnHttp2 = (connection: Http2Connection, address: Address, baseUrl: string, options: DialOptions) => CallScope;

const grpc: OnHttp2 = (connection, address, _baseUrl, { maxMessageBytes }) =>
  createGrpcTransport({ connection, address, maxMessageBytes });
const connect2: OnHttp2 = (sessionManager, address, baseUrl, options) => {
  const given = common(options, address, openFirst(sessionManager));
  return createCallScope(
    checkRequests(createConnectTransport({ ...given, baseUrl, httpVersion: "2", sessionManager })),
  );
};
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
  { protocol: "connect", carrier: "http", takesTls: true, dial: dialHttp1(cacheableConnect1) },
  { protocol: "grpc-web", carrier: "http", takesTls: true, dial: dialHttp1(grpcWeb1) },
];

function dialHttp2(createScope: OnHttp2): Dialer["dial"] {
  return (address, options) => {
    const baseUrl = http2BaseUrl(address, options);
    const closing = new AbortController();
    const opener = openerFor(address, options, closing.signal);
    const peer = peerAt(address, options);
    const ours = keepaliveOn(address.carrier);
    const connection = createHttp2Connection({
      baseUrl,
      opener,
      address,
      keepalive: withKeepalive(options.keepalive, ours === localKeepalive ? ours : foreignKeepalive),
      explain: (error) => explainLateTls(error, peer),
    });
    const { transport, end } = createScope(connection, address, baseUrl, options);
    return {
      transport,
      knowing({ limits }) {
        // Only a manifest tells limits, and only our servers have one.
        if (limits.maxMessageBytes !== undefined) {
          connection.watchIdle(withKeepalive(options.keepalive, ours));
        }
        return transport;
      },
      close(reason) {
        end(reason);
        closing.abort(reason);
        connection.close();
      },
    };
  };
}

function dialHttp1(createTransport: (options: Http1TransportOptions) => Transport): Dialer["dial"] {
  return (address, options) => {
    const { baseUrl, agent, ...connection } = http1Address(address, options);
    guardAgent(agent, address, options);
    const peer = peerAt(address, options);
    const tellDialFailure: Interceptor = (next) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        if (isPlugboardError(error, "PB-CONNECTION-LOST") || isRefusal(error)) {
          throw error;
        }
        const cause = tlsFailureIn(error, address.text) ?? explainTls(error, peer) ?? connectFailure(error);
        throw cause === undefined ? error : dialFailed(address, cause);
      }
    };
    const { transport, end } = createCallScope(
      checkRequests(
        createTransport({
          ...common(options, address, tellDialFailure, ...heedEnds(agent, address), stopAtResponse),
          baseUrl,
          httpVersion: "1.1",
          nodeOptions: { ...connection, agent },
        }),
      ),
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

function common(options: DialOptions, address: Address, ...interceptors: readonly Interceptor[]) {
  return {
    interceptors: [mapConnectionLoss(address), ...interceptors, fitGrpcTimeout],
    readMaxBytes: options.maxMessageBytes,
    // On one machine compressing costs more than it saves.
    ...(address.carrier !== "http" && { acceptCompression: [] }),
  };
}

/** Opens the connections for HTTP/2. */
function openerFor(address: Address, options: DialOptions, signal: AbortSignal) {
  const { tls, token } = options;
  if (tls === undefined && token === undefined) {
    return placeOf(address).options;
  }
  return async () => {
    guardToken(address, options);
    return tls === undefined
      ? net.connect(placeOf(address).options)
      : (await openSecureSocket(address, tls, ["h2"], signal)).socket;
  };
}

function peerAt({ text }: Address, { tls }: DialOptions): TlsPeer {
  return { who: `the server at ${text}`, ownCertificate: tls?.certificate !== undefined };
}

function http2BaseUrl(address: Address, { tls }: DialOptions): string {
  const scheme = tls === undefined ? "http" : "https";
  // Node leaves out the brackets that an IPv6 address needs in a request's authority.
  return address.carrier === "tcp"
    ? `${scheme}://${net.isIPv6(address.host) ? "localhost" : address.host}:${address.port}`
    : `${scheme}://localhost`;
}

function http1Address(address: Address, { tls }: DialOptions) {
  const isUrl = address.carrier === "http";
  if (tls !== undefined && (!isUrl || address.url.startsWith("https:"))) {
    const baseUrl = isUrl ? address.url : `https://${hostOf(address)}`;
    return { baseUrl, agent: new SecureAgent(address, tls) };
  }
  if (isUrl) {
    return { baseUrl: address.url, agent: keepAlive(address.url.startsWith("https:") ? https.Agent : http.Agent) };
  }
  // allowed plain-http: of a socket, whose connection is made elsewhere, and of addresses for which no TLS was asked.
  const baseUrl = `http://${hostOf(address)}`;
  return { baseUrl, ...(address.carrier === "unix" && { socketPath: address.path }), agent: keepAlive(http.Agent) };
}

/** The host that a request for a socket's address names. */
function hostOf(address: Address): string {
  switch (address.carrier) {
    case "unix":
      return "localhost";
    case "tcp":
      return address.text.slice("tcp:".length);
    default:
      throw new TypeError(`${address.text} can't be reached over HTTP`);
  }
}

function keepAlive(Agent: typeof http.Agent): http.Agent {
  return new Agent(reuse);
}
