import type { Requirements } from "plugboard";

/** The protocols that can be spoken within TLS on a socket, and how to ask for one alone. */
export const ways = [
  ["ttrpc", { protocols: ["ttrpc"] }],
  ["grpc", { protocols: ["grpc"] }],
  ["connect", { protocols: ["connect"], httpVersion: "2" }],
  ["connect (HTTP/1.1)", { protocols: ["connect"], httpVersion: "1.1" }],
] as const satisfies [string, Requirements][];
