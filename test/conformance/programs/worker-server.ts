/** The Worker that edge() makes, in workerd, as the suite's server under test. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { startWorker } from "../../support/local-worker.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { readDelimited, writeDelimited } from "./delimited.ts";

// What wrangler prints must not get between the messages.
console.log = console.error;

for await (const message of readDelimited(process.stdin)) {
  const { messageReceiveLimit } = fromBinary(ServerCompatRequestSchema, message);
  const worker = await startWorker("test/conformance/programs/worker.ts", {
    MAX_MESSAGE_BYTES: messageReceiveLimit > 0 ? String(messageReceiveLimit) : "",
  });
  process.once("SIGTERM", async () => {
    await worker.stop();
    process.exit();
  });
  const { hostname, port } = new URL(worker.url);
  const response = create(ServerCompatResponseSchema, { host: hostname, port: Number(port) });
  writeDelimited(process.stdout, toBinary(ServerCompatResponseSchema, response));
}
