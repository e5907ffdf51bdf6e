import type { Target } from "./run-suite.ts";

/** Workers, and the fetch of theirs and of Node, speak HTTP/1.1 here, and no gRPC: see platform.test.ts. */
const web = {
  versions: ["HTTP_VERSION_1"],
  protocols: ["PROTOCOL_CONNECT", "PROTOCOL_GRPC_WEB"],
  supportsTrailers: false,
  supportsH2c: false,
  // What is in front of a Worker speaks TLS; fetch takes no roots to trust.
  supportsTls: false,
} as const;

/** All that our client sends: it knows nothing but binary messages, and leaves compressing to whom it calls. */
const client = { codecs: ["CODEC_PROTO"], compressions: ["COMPRESSION_IDENTITY"] } as const;

/** All that has to pass. There is no list of tests that may fail. */
export const targets: readonly Target[] = [
  {
    name: "the listener in Node",
    mode: "server",
    program: ["node-server.ts"],
    // The rest is on if nothing is said: Connect, gRPC and gRPC-Web over both versions of HTTP, JSON, TLS, GET, limits.
    features: {
      compressions: ["COMPRESSION_IDENTITY", "COMPRESSION_GZIP", "COMPRESSION_BR"],
      supportsTlsClientCerts: true,
    },
  },
  {
    name: "a Worker in workerd",
    mode: "server",
    program: ["worker-server.ts"],
    features: { ...web, supportsHalfDuplexBidiOverHttp1: true },
  },
  {
    name: "the client in Node, by tcp:",
    mode: "client",
    program: ["node-client.ts", "tcp"],
    // GET is for caches, of which there is none on the way to such an address.
    features: {
      ...client,
      protocols: ["PROTOCOL_CONNECT", "PROTOCOL_GRPC"],
      supportsTlsClientCerts: true,
      supportsConnectGet: false,
    },
  },
  {
    name: "the client in Node, by http: and https:",
    mode: "client",
    program: ["node-client.ts", "http"],
    features: { ...web, ...client, supportsTls: true, supportsTlsClientCerts: true },
  },
  {
    name: "the client in Node, by fetch",
    mode: "client",
    program: ["node-client.ts", "fetch"],
    features: { ...web, ...client },
  },
  {
    name: "the client in workerd, by http:",
    mode: "client",
    program: ["worker-client.ts", "http"],
    features: { ...web, ...client },
  },
  {
    name: "the client in workerd, by service binding",
    mode: "client",
    program: ["worker-client.ts", "service-binding"],
    features: { ...web, ...client, supportsHalfDuplexBidiOverHttp1: true, supportsConnectGet: false },
    // The binding is played by HTTP/1.1, and there the suite's server of gRPC does not tell headers from trailers in responses
    // to such calls. The suite itself does not test that server so.
    exclude: [{ protocol: "PROTOCOL_GRPC_WEB", streamType: "STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM" }],
  },
];
