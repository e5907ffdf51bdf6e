/** Our dialers in workerd as the suite's client under test. The argument says which: "http" or "service-binding". */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { startNetworkedWorker } from "../start-workerd.ts";
import { makeCalls } from "./make-calls.ts";

// What wrangler prints must not get between the messages.
console.log = console.error;

const worker = await startNetworkedWorker("test/conformance/programs/calling-worker.ts");
const url = new URL(`/${process.argv[2]}`, worker.url);
process.once("SIGTERM", async () => {
  await worker[Symbol.asyncDispose]();
  process.exit();
});
await makeCalls(async (asked) => {
  const body = toBinary(ClientCompatRequestSchema, asked);
  const response = await fetch(url, { method: "POST", body });
  return fromBinary(ClientCompatResponseSchema, new Uint8Array(await response.arrayBuffer()));
});
await worker[Symbol.asyncDispose]();
