import type { Contender } from "../../contender.ts";
import { capnweb } from "../../contenders/capnweb/contender.ts";
import { connectNode } from "../../contenders/connect-node.ts";
import { grpcGo } from "../../contenders/grpc-go.ts";
import { grpcJs } from "../../contenders/grpc-js.ts";
import { plugboard } from "../../contenders/plugboard.ts";
import { raw } from "../../contenders/raw.ts";
import { nodeServer } from "../../server-program.ts";

const unlimited = { maxMessageBytes: 64 * 1024 * 1024 };
const server = nodeServer("plugboard-unlimited");

/** The contenders that grow, ours without the limits that they would run into. */
export const growthContenders: readonly Contender[] = [
  { ...plugboard("ttrpc", "Plugboard over ttrpc", unlimited), server },
  { ...plugboard("grpc", "Plugboard over gRPC", unlimited), server },
  grpcJs,
  connectNode,
  capnweb,
  grpcGo,
  raw,
];
