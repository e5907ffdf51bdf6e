import { gunzipSync } from "node:zlib";
import type { ConnectRouter } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

type Options = NonNullable<Parameters<ConnectRouter["service"]>[2]>;

/** A Worker of a plugin that has registered its service with these options. */
function worker(options: Options & { readonly connect?: boolean; readonly grpcWeb?: boolean }) {
  const plugin = definePlugin({
    name: "registers",
    version: "1.0.0",
    routes: (router) => router.service(BehaviourService, { echo: ({ text }) => ({ text }) }, options),
  });
  return edge(plugin, { observers: [] });
}

async function echo(options: Parameters<typeof worker>[0], text: string, headers: Record<string, string> = {}) {
  const body = JSON.stringify({ text });
  const response = await worker(options).request(`/${BehaviourService.typeName}/Echo`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body,
  });
  return { status: response.status, header: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

const web = { "Content-Type": "application/grpc-web+json" };

describe("a service's own options hold at the edge:", () => {
  test("a protocol can be switched off, and the other stays", async () => {
    expect(await echo({ connect: false }, "hi")).toMatchObject({ status: 415 });
    expect(await echo({ connect: false }, "hi", web)).toMatchObject({ status: 200 });
    expect(await echo({ grpcWeb: false }, "hi")).toMatchObject({ status: 200 });
    expect(await echo({ grpcWeb: false }, "hi", web)).toMatchObject({ status: 415 });
  });

  test("not all can be switched off", async () => {
    expect(await echo({ connect: false, grpcWeb: false }, "hi")).toMatchObject({ status: 500 });
  });

  test("a response that is longer than writeMaxBytes is not sent", async () => {
    expect(await echo({ writeMaxBytes: 50 }, "x".repeat(20))).toMatchObject({ status: 200 });
    const { status, bytes } = await echo({ writeMaxBytes: 50 }, "x".repeat(60));
    expect({ status, ...JSON.parse(String(bytes)) }).toMatchObject({ status: 429, code: "resource_exhausted" });
  });

  test("from compressMinBytes on, a response is compressed for callers that take it", async () => {
    const accept = { "Accept-Encoding": "gzip" };
    const text = "x".repeat(1000);
    const large = await echo({ compressMinBytes: 500 }, text, accept);
    expect(large.header.get("Content-Encoding")).toBe("gzip");
    expect(JSON.parse(String(gunzipSync(large.bytes)))).toEqual({ text });
    expect((await echo({ compressMinBytes: 500 }, text)).header.has("Content-Encoding")).toBe(false);
    expect((await echo({ compressMinBytes: 500 }, "short", accept)).header.has("Content-Encoding")).toBe(false);
  });

  test("a timeout that is longer than maxTimeoutMs is refused", async () => {
    expect(await echo({ maxTimeoutMs: 1000 }, "hi", { "Connect-Timeout-Ms": "1000" })).toMatchObject({ status: 200 });
    expect(await echo({ maxTimeoutMs: 1000 }, "hi", { "Connect-Timeout-Ms": "1001" })).toMatchObject({ status: 400 });
  });

  test("the version of Connect can be required", async () => {
    const options = { requireConnectProtocolHeader: true };
    expect(await echo(options, "hi")).toMatchObject({ status: 400 });
    expect(await echo(options, "hi", { "Connect-Protocol-Version": "1" })).toMatchObject({ status: 200 });
  });

  test("fields that are not known can be refused", async () => {
    const strict = worker({ jsonOptions: { ignoreUnknownFields: false } });
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"newer":1}' };
    expect((await strict.request(`/${BehaviourService.typeName}/Echo`, init)).status).toBe(400);
    expect((await worker({}).request(`/${BehaviourService.typeName}/Echo`, init)).status).toBe(200);
  });
});
