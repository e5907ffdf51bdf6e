import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { bearer, definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

const secret = "0123456789abcdef0123456789abcdef";

type Options = Parameters<ConnectRouter["service"]>[2];

/** Asks a plugin that is served to all for which `auth` and limits stand, and whose service was registered with the options. */
async function ask(options: Options, { token = "", text = "hi" } = {}): Promise<number> {
  const plugin = definePlugin({
    name: "registers",
    version: "1.0.0",
    routes: (router) => router.service(BehaviourService, { echo: ({ text }) => ({ text }) }, options),
  });
  const app = edge(plugin, { auth: bearer(secret), limits: { maxMessageBytes: 1000 }, observers: [] });
  const response = await app.fetch(
    new Request(`https://edge.example/${BehaviourService.typeName}/Echo`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ text }),
    }),
  );
  return response.status;
}

// As from a plugin in JavaScript, or without exactOptionalPropertyTypes.
const switchedOff = { requestGate: undefined, readMaxBytes: undefined } as unknown as Options;

test.each<[string, Options]>([
  ["none", undefined],
  ["a gate that is switched off", switchedOff],
  ["a gate of its own", { requestGate: () => undefined }],
  ["a larger limit", { readMaxBytes: 1_000_000 }],
])("a service that is registered with %s keeps the policy of its server", async (_, options) => {
  expect(await ask(options)).toBe(401);
  expect(await ask(options, { token: secret })).toBe(200);
  expect(await ask(options, { token: secret, text: "x".repeat(2000) })).toBe(429);
});

test("a service's own gate and its own limit, if that is smaller, hold beside the policy", async () => {
  const seen: string[] = [];
  const requestGate = ({ method }: HandlerContext) => void seen.push(method.name);
  expect(await ask({ requestGate, readMaxBytes: 100 }, { token: secret, text: "x".repeat(200) })).toBe(429);
  expect(await ask({ requestGate, readMaxBytes: 100 })).toBe(401);
  expect(seen).toEqual(["Echo"]);
});
