import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { Interceptor } from "@connectrpc/connect";
import { connect as connectAnywhere } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { Carrier, Protocol } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { AccessService } from "../gen/plugboard/test/v1/access_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import plugin from "../policy/fixtures/plugin.ts";
import type { RpcServerOptions } from "../support/local-server.ts";
import { startRpcServer } from "../support/local-server.ts";
import { startWorker } from "../support/local-worker.ts";
import { startInNode } from "../support/policy/guarded-server.ts";

const token = "swordfish-0123456789";
const authorization = `Bearer ${token}`;
const manifest = { name: "local", version: "1.0.0", protocolVersion: 1, protocolVersions: [1] };
const endpoint = { protocol: Protocol.CONNECT, carrier: Carrier.HTTP };

/** A server that notes with which authorization it was asked for what. */
async function startRecorder(options: Partial<RpcServerOptions> = {}) {
  const requests: { readonly url: string; readonly authorization: string | undefined }[] = [];
  const server = await startRpcServer({
    place: "http",
    httpVersion: "1.1",
    manifest: { ...manifest, endpoints: [endpoint] },
    intercept({ url = "", headers }) {
      requests.push({ url, authorization: headers.authorization });
      return false;
    },
    ...options,
  });
  return Object.assign(server, { requests });
}

describe("a token", () => {
  test.each<Partial<RpcServerOptions>>([
    { place: "http", httpVersion: "1.1", protocols: ["connect"] },
    {
      place: "tcp",
      httpVersion: "2",
      protocols: ["grpc"],
      manifest: { ...manifest, endpoints: [{ protocol: Protocol.GRPC, carrier: Carrier.TCP }] },
    },
    {
      place: "unix",
      httpVersion: "2",
      protocols: ["grpc"],
      manifest: { ...manifest, endpoints: [{ protocol: Protocol.GRPC, carrier: Carrier.UNIX }] },
    },
  ])("goes with every call, and with the question what the plugin is: $place, $protocols", async (options) => {
    await using server = await startRecorder(options);
    await using connection = await connect(server.address, { token });
    const client = connection.client(BehaviourService);
    await client.echo({ text: "hi" });
    await client.inspect({});
    await Array.fromAsync(client.produce({ count: 1 }));
    expect(server.requests.map(({ url }) => url.split("/").at(-1)?.split("?")[0])).toEqual(
      expect.arrayContaining(["Describe", "Echo", "Inspect", "Produce"]),
    );
    for (const request of server.requests) {
      expect(request.authorization).toBe(authorization);
      expect(request.url).not.toContain(token);
    }
  });

  test("goes with calls by fetch, too", async () => {
    await using server = await startRecorder();
    await using connection = await connectAnywhere(server.address, { token });
    await connection.client(BehaviourService).echo({ text: "hi" });
    expect(server.requests.map((each) => each.authorization)).toEqual([authorization, authorization]);
  });

  test("is asked for anew for each call if a function gives it", async () => {
    let count = 0;
    await using server = await startRecorder();
    await using connection = await connect(server.address, { token: async () => `token-${count++}` });
    await connection.client(BehaviourService).echo({});
    await connection.client(BehaviourService).echo({});
    expect(server.requests.map((each) => each.authorization)).toEqual([
      "Bearer token-0",
      "Bearer token-1",
      "Bearer token-2",
    ]);
  });

  test("a token that can't be got fails the call, and only that", async () => {
    let fail = false;
    const source = () => {
      if (fail) {
        throw new Error("logged out");
      }
      return token;
    };
    await using server = await startRecorder();
    await using connection = await connect(server.address, { token: source });
    const client = connection.client(BehaviourService);
    fail = true;
    await expect(client.echo({})).rejects.toThrow("logged out");
    expect(server.calls).toEqual([]);
    fail = false;
    expect(await client.echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });

  test("is not seen by the caller's interceptors, and leaves an authorization alone that they or the call have", async () => {
    const seen: (string | null)[] = [];
    const look: Interceptor = (next) => (request) => {
      seen.push(request.header.get("Authorization"));
      return next(request);
    };
    await using server = await startRecorder();
    await using connection = await connect(server.address, { token, interceptors: [look] });
    const client = connection.client(BehaviourService);
    await client.echo({});
    await client.echo({}, { headers: { Authorization: "Basic own" } });
    expect(seen).toEqual([null, null, "Basic own"]);
    expect(server.requests.at(-1)?.authorization).toBe("Basic own");
  });

  test("does not go to another host that a manifest names", async () => {
    await using other = await startRecorder();
    const elsewhere = { ...endpoint, address: other.address };
    await using server = await startRecorder({ manifest: { ...manifest, endpoints: [elsewhere, endpoint] } });
    await using connection = await connect(server.address, { token });
    await connection.client(BehaviourService).echo({});
    expect(server.calls).toEqual(["Echo"]);
    expect(other.requests).toEqual([]);
  });

  test.each([["plugboard/node", connect] as const, ["plugboard", connectAnywhere] as const])(
    "does not follow a redirection with the connect of %s",
    async (_, dial) => {
      await using other = await startRecorder();
      await using server = await startRecorder({
        intercept({ url }, response) {
          response.writeHead(307, { Location: other.address + url }).end();
          return true;
        },
      });
      await expect(
        (async () => {
          await using connection = await dial(server.address, { token });
          await connection.client(BehaviourService).echo({});
        })(),
      ).rejects.toThrow();
      expect(other.requests).toEqual([]);
    },
  );

  test.each([
    "http://example.com",
    "ws://example.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com:80",
    "http://[2001:db8::1]",
    "tcp:10.0.0.1:4000",
  ])("does not go to %s, where it could be read along", async (address) => {
    const source = vi.fn(() => token);
    await expect(connect(["https://example.com", address], { token: source })).rejects.toMatchObject({
      errorCode: "PB-TOKEN-INSECURE",
      message: expect.stringContaining(address.replace(":80", "")),
    });
    expect(source).not.toHaveBeenCalled();
  });

  test.each(["http://localhost:1", "http://[::1]:1", "ws://127.0.0.1:1", "tcp:localhost:1", "unix:/no/such"])(
    "may go to %s, which is on this machine",
    async (address) => {
      await expect(connect(address, { token })).rejects.toMatchObject({ errorCode: "PB-CONNECT-UNREACHABLE" });
    },
  );

  test.each(["", "two words", authorization, "line\r\nX-Evil: yes", "t\u00f6ken", "x".repeat(10_000)])(
    "is refused if it is none: %j",
    async (wrong) => {
      const refused = { errorCode: "PB-TOKEN-INVALID" };
      await expect(connect("https://example.com", { token: wrong })).rejects.toMatchObject(refused);
      await using connection = await connect(plugin, { token: () => wrong });
      const error = await connection
        .client(AccessService)
        .whoAmI({})
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject(refused);
      expect(wrong === "" || !String(error).includes(wrong)).toBe(true);
    },
  );
});

describe("a WebSocket", () => {
  test("is opened with the token in a header by Node", async () => {
    const server = http.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    // It listens on TCP.
    const { port } = server.address() as AddressInfo;
    const upgraded = once(server, "upgrade");
    const connecting = connect(`ws://127.0.0.1:${port}`, { token }).catch(() => undefined);
    const [request, socket] = await upgraded;
    expect(request.headers.authorization).toBe(authorization);
    expect(request.headers["sec-websocket-protocol"]).toBe("plugboard.ttrpc.v1");
    expect(request.url).toBe("/");
    socket.destroy();
    await connecting;
    server.close();
  });
});

test("a token goes with calls from a Worker, too", async () => {
  const [server, worker] = await Promise.all([
    startInNode({ AUTH: "bearer", SECRETS: token }),
    startWorker("test/client/fixtures/token-worker.ts", { TOKEN: token }),
  ]);
  try {
    const response = await fetch(`${worker.url}/?address=${encodeURIComponent(server.url)}`);
    expect(await response.text()).toBe("the robot");
  } finally {
    await Promise.all([server.stop(), worker.stop()]);
  }
}, 60_000);
