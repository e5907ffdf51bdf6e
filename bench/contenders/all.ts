import type { Contender } from "../contender.ts";
import { capnweb } from "./capnweb/contender.ts";
import { connectNode } from "./connect-node.ts";
import { grpcGo } from "./grpc-go.ts";
import { grpcJs } from "./grpc-js.ts";
import { net } from "./net.ts";
import { connectProtocol, grpc, ttrpc } from "./plugboard.ts";
import { raw } from "./raw.ts";

/** Ours first, then the peers, then the limits. */
export const contenders: readonly Contender[] = [
  ttrpc,
  grpc,
  connectProtocol,
  grpcJs,
  connectNode,
  capnweb,
  grpcGo,
  raw,
  net,
];
