import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { definePlugin } from "plugboard";
import { afterEach, beforeEach, expect, test } from "vitest";
import { defaultLog } from "../../src/base/log.ts";
import { trustedLimits } from "../../src/call/call-policy.ts";
import { createGrpcServer } from "../../src/go-plugin/broker/grpc-server.ts";
import type { Listener } from "../../src/node/listen/listener.ts";
import { listen } from "../../src/node/listen/listener.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import type { Routes } from "../../src/plugin/service-table.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

const maxMessageBytes = 10_000;
/** More than HTTP/2's windows and Node's own buffers have room for. */
const tooLong = Buffer.alloc(150_000);
tooLong.writeUInt32BE(tooLong.byteLength - 5, 1);
const empty = Buffer.alloc(5);

const routes: Routes = (router) => {
  router.service(BehaviourService, {
    echo: () => ({}),
    async collect(requests) {
      let messages = 0;
      for await (const _ of requests) {
        messages += 1;
      }
      return { messages };
    },
  });
};

let listener: Listener;
let port: number;
beforeEach(async () => {
  const running = await startPlugin(definePlugin({ name: "early", version: "1.0.0", routes }));
  listener = await listen(
    running,
    { carrier: "tcp", host: "127.0.0.1", port: 0 },
    { policy: { limits: { ...trustedLimits, maxMessageBytes, maxConcurrentStreams: 100 }, log: defaultLog } },
  );
  port = listener.address.carrier === "tcp" ? listener.address.port : 0;
});
afterEach(() => listener.drain(0));

/** Node counts what it has not sent of a call that is over, and takes no more headers when that is too much. */
function open(port: number): http2.ClientHttp2Session {
  return http2.connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1000 });
}

interface Reply {
  readonly httpStatus: number | undefined;
  readonly grpcStatus: string | undefined;
}

/** Makes a call and waits until its stream is over. */
async function call(
  session: http2.ClientHttp2Session,
  method: string,
  body: Buffer,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Reply> {
  const stream = session.request({
    ":method": "POST",
    ":path": `/${BehaviourService.typeName}/${method}`,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...headers,
  });
  let httpStatus: number | undefined;
  let grpcStatus: string | undefined;
  const note = (fields: http2.IncomingHttpHeaders) => {
    httpStatus = fields[":status"] === undefined ? httpStatus : Number(fields[":status"]);
    grpcStatus = fields["grpc-status"]?.toString() ?? grpcStatus;
  };
  stream.on("response", note).on("trailers", note).resume();
  // A stream whose rest is not wanted is reset, which is no error of the call's.
  stream.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => stream.once("close", () => resolve()));
  stream.end(body);
  await closed;
  return { httpStatus, grpcStatus };
}

async function afterRefusals(session: http2.ClientHttp2Session, refuse: () => Promise<Reply>, refused: Reply) {
  for (let count = 0; count < 120; count++) {
    expect(await refuse()).toEqual(refused);
  }
  const responses = await Promise.all(Array.from({ length: 300 }, () => call(session, "Echo", empty)));
  expect(responses.filter(({ grpcStatus }) => grpcStatus === "0")).toHaveLength(300);
  session.destroy();
}

test.for(["Echo", "Collect"])(
  "120 messages that are too long for %s leave room for 300 calls at once",
  async (method) => {
    const session = open(port);
    await afterRefusals(session, () => call(session, method, tooLong), { httpStatus: 200, grpcStatus: "8" });
  },
);

test.for([
  { what: "no such method", headers: { ":path": "/no.Such/Method" }, refused: { httpStatus: 200, grpcStatus: "12" } },
  { what: "no such path", headers: { ":path": "/", "content-type": "a/b" }, refused: { httpStatus: 404 } },
  { what: "another content type", headers: { "content-type": "a/b" }, refused: { httpStatus: 415 } },
  { what: "another method", headers: { ":method": "PUT" }, refused: { httpStatus: 405 } },
  { what: "another host", headers: { ":authority": "evil.example" }, refused: { httpStatus: 200, grpcStatus: "7" } },
  { what: "an expectation", headers: { expect: "much" }, refused: { httpStatus: 200, grpcStatus: "3" } },
])("120 requests that are refused for $what leave room for 300 calls at once", async ({ headers, refused }) => {
  const session = open(port);
  await afterRefusals(session, () => call(session, "Echo", tooLong, headers), { grpcStatus: undefined, ...refused });
});

test("1,030 messages that are too long for the broker's server leave room for calls", async () => {
  const server = createGrpcServer(routes, { maxMessageBytes });
  const acceptor = net.createServer((socket) => server.accept(socket)).listen(0, "127.0.0.1");
  await once(acceptor, "listening");
  const address = acceptor.address() as net.AddressInfo;
  const session = open(address.port);
  for (let count = 0; count < 1_030; count += 103) {
    const responses = await Promise.all(Array.from({ length: 103 }, () => call(session, "Echo", tooLong)));
    expect(responses.filter(({ grpcStatus }) => grpcStatus === "8")).toHaveLength(103);
  }
  expect(await call(session, "Echo", empty)).toEqual({ httpStatus: 200, grpcStatus: "0" });
  session.destroy();
  acceptor.close();
  await server.close();
});
