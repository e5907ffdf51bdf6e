import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ClientCompatRequest, ClientCompatResponse } from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import {
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { readDelimited, writeDelimited } from "./delimited.ts";

/** Calls at the same time: enough to be quick, and few enough for their deadlines. */
const parallel = 8;

/** Makes the calls that the runner asks for on stdin, and tells on stdout what came of them. Settles when all is told. */
export async function makeCalls(call: (asked: ClientCompatRequest) => Promise<ClientCompatResponse>): Promise<void> {
  const messages = readDelimited(process.stdin);
  const worker = async () => {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      const response = await call(fromBinary(ClientCompatRequestSchema, next.value));
      writeDelimited(process.stdout, toBinary(ClientCompatResponseSchema, response));
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
