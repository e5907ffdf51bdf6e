import { Code, ConnectError } from "@connectrpc/connect";
import type { Requirements, Target } from "plugboard";
import { definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { listen } from "../../src/node/listen/listener.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** Meant for the caller of the inner plugin. */
const meantForOuter = {
  "set-cookie": "session=inner",
  "access-control-allow-origin": "*",
  "clear-site-data": '"*"',
  location: "https://inner.example.com",
  link: "<https://inner.example.com>; rel=preload",
  "content-disposition": "attachment",
  "x-inner": "inner",
};

const inner = definePlugin({
  name: "inner",
  version: "1.0.0",
  routes: (router) => {
    router.service(BehaviourService, {
      fail(_request, { responseHeader, responseTrailer }) {
        for (const [name, value] of Object.entries(meantForOuter)) {
          responseHeader.set(name, value);
          responseTrailer.set(name, value);
        }
        throw new ConnectError("inner", Code.NotFound, meantForOuter);
      },
    });
  },
});

async function serve(plugin: Parameters<typeof startPlugin>[0]) {
  const listener = await listen(await startPlugin(plugin), { carrier: "tcp", host: "127.0.0.1", port: 0 }, {});
  const port = listener.address.carrier === "tcp" ? listener.address.port : 0;
  return { port, [Symbol.asyncDispose]: () => listener.drain(0) };
}

test.each<[string, (port: number) => Target, Requirements]>([
  ["in process", () => inner, {}],
  ["by ttrpc", (port) => `tcp:127.0.0.1:${port}`, { protocols: ["ttrpc"] }],
  ["by gRPC", (port) => `tcp:127.0.0.1:${port}`, { protocols: ["grpc"] }],
  ["by Connect", (port) => `tcp:127.0.0.1:${port}`, { protocols: ["connect"] }],
  ["by gRPC-Web", (port) => `http://127.0.0.1:${port}`, { protocols: ["grpc-web"] }],
])("of an error that a handler got %s and lets through, no header reaches its own caller", async (_, at, require) => {
  await using server = await serve(inner);
  await using toInner = await connect(at(server.port), { require });
  const outer = definePlugin({
    name: "outer",
    version: "1.0.0",
    routes: (router) => {
      router.service(BehaviourService, { fail: () => toInner.client(BehaviourService).fail({}) });
    },
  });
  await using served = await serve(outer);
  const response = await fetch(`http://127.0.0.1:${served.port}/${BehaviourService.typeName}/Fail`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect([response.status, await response.json()]).toEqual([404, { code: "not_found", message: "inner" }]);
  for (const name of Object.keys(meantForOuter)) {
    expect([name, response.headers.get(name)]).toEqual([name, null]);
    expect([name, response.headers.get(`trailer-${name}`)]).toEqual([name, null]);
  }
});
