import { mkdtemp, rm } from "node:fs/promises";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { Authenticate } from "plugboard";
import { bearer, definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import { trustedLimits } from "../../src/call/call-policy.ts";
import { listen } from "../../src/node/listen/listener.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import { createCallPolicy } from "../../src/policy/create-call-policy.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

const plugin = definePlugin({
  name: "found",
  version: "1.0.0",
  routes: (router) => router.service(BehaviourService, { echo: ({ text }) => ({ text }) }),
});

type Get = (path: string, headers?: Readonly<Record<string, string>>) => Promise<unknown>;

/** Runs with a GET of what is served, by a process at a Unix socket or at the edge. */
type Serve = (auth: Authenticate | undefined, run: (get: Get) => Promise<void>) => Promise<void>;

const inNode: Serve = async (auth, run) => {
  const directory = await mkdtemp(join(tmpdir(), "how-to-call-"));
  const path = join(directory, "p.sock");
  const policy = createCallPolicy({ ...(auth && { auth }) }, trustedLimits);
  const listener = await listen(await startPlugin(plugin), { carrier: "unix", path }, { policy });
  try {
    await run(async (url, headers = {}) => {
      const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
      http.get({ socketPath: path, path: url, headers }, resolve).on("error", reject);
      const response = await promise;
      return { status: response.statusCode, ...((await json(response)) as object) };
    });
  } finally {
    await listener.drain(0);
    await rm(directory, { recursive: true });
  }
};

const atTheEdge: Serve = async (auth, run) => {
  const app = edge(plugin, { ...(auth && { auth }) });
  await run(async (path, headers = {}) => {
    const response = await app.request(`https://plugin.example${path}`, { headers });
    return { status: response.status, ...((await response.json()) as object) };
  });
};

const places: readonly (readonly [string, Serve])[] = [
  ["a process", inNode],
  ["a Worker", atTheEdge],
];

const example = `/${BehaviourService.typeName}/Echo`;

test.each(places)("at %s, a look at the root says how a method is called", async (_, serve) => {
  await serve(undefined, async (get) => {
    const told = {
      status: 404,
      code: "unimplemented",
      message: expect.stringMatching(
        new RegExp(`^no such method: /; .* POST, as ${example} is; .*/plugboard.plugin.v1.PluginService/Describe`),
      ),
    };
    expect(await get("/")).toEqual(told);
    expect(await get("/no.such.Service/Method")).toMatchObject({
      message: "no such method: /no.such.Service/Method",
    });
  });
});

test.each(places)("at %s that wants to know its callers, the root names nothing that it serves", async (_, serve) => {
  const auth = bearer("a-token-of-one-caller");
  await serve(auth, async (get) => {
    const told = {
      status: 404,
      code: "unimplemented",
      message:
        "no such method: /; methods are called by POST to /package.Service/Method, by callers that say who they are",
    };
    expect(await get("/")).toEqual(told);
    expect(await get("/", { Authorization: "Bearer a-token-of-one-caller" })).toEqual(told);
  });
});
