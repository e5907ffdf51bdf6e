import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { definePlugin } from "plugboard";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defaultLog } from "../../../src/base/log.ts";
import { trustedLimits } from "../../../src/call/call-policy.ts";
import type { Listener } from "../../../src/node/listen/listener.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

const directory = mkdtempSync(join(tmpdir(), "trailers-"));
const path = join(directory, "p.sock");
let listener: Listener;

/** What a handler may set as if it were the protocol, each with a message that has to be cut. */
const settings: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "details that are no Base64": { "grpc-status-details-bin": "!!!" },
  "details that are no message": { "grpc-status-details-bin": "////" },
  "a message with half an escape": { "grpc-message": "100%".repeat(1000), "grpc-status-details-bin": "AAAA" },
};

const setting = definePlugin({
  name: "setting",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, {
      echo({ text }, { responseTrailer }) {
        for (const [name, value] of Object.entries(settings[text] ?? {})) {
          responseTrailer.set(name, value);
        }
        responseTrailer.set("x-long", "x".repeat(60 * 1024));
        throw new ConnectError("m".repeat(8000), Code.NotFound);
      },
    });
  },
});

beforeAll(async () => {
  listener = await listen(
    await startPlugin(setting),
    { carrier: "unix", path },
    { policy: { limits: trustedLimits, log: defaultLog } },
  );
});
afterAll(async () => {
  await listener.drain(0);
  rmSync(directory, { recursive: true, force: true });
});

test.each(
  Object.keys(settings).flatMap((text) => [
    { text, protocol: "gRPC", create: createGrpcTransport },
    { text, protocol: "gRPC-Web", create: createGrpcWebTransport },
  ]),
)("a handler's trailers that have $text cost the caller no response, over $protocol", async ({ text, create }) => {
  const transport = create({
    baseUrl: "http://localhost",
    httpVersion: "2",
    nodeOptions: { createConnection: () => net.connect({ path }) },
  });
  const error = await createClient(BehaviourService, transport)
    .echo({ text })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: Code.NotFound });
});
