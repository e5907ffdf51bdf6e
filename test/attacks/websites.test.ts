import { once } from "node:events";
import * as http from "node:http";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { frameFlag, frameType } from "../../src/ttrpc/wire/frame.ts";
import { BehaviourService, ConverseRequestSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { encodeFrame } from "../support/ttrpc/raw-frames.ts";
import { requestFrame } from "../support/ttrpc/raw-peer.ts";
import type { Attacked } from "./attacked.ts";
import { call, echoes, runtimes, service, startAttacked, untilOpen } from "./attacked.ts";

const protocol = "plugboard.ttrpc.v1";
const own = "https://app.example.com";

describe.each(runtimes)("websites, in %s:", (runtime) => {
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await startAttacked(runtime, { maxConcurrentStreams: 3, idleTimeoutMs: 500, maxDeadlineMs: 3000 });
  }, 60_000);
  afterAll(() => attacked?.stop());

  async function open(headers: Record<string, string>, offered: readonly string[] = [protocol], path = "/") {
    const socket = new WebSocket(attacked.url.replace("http", "ws") + path, [...offered], { headers });
    socket.on("error", () => undefined);
    const outcome = await Promise.race([
      once(socket, "open").then(() => 101),
      once(socket, "unexpected-response").then(([, response]: http.IncomingMessage[]) => response?.statusCode),
    ]);
    return { socket, outcome };
  }

  test.each([
    ["another site", "https://evil.example.com"],
    ["a page without an origin of its own", "null"],
    ["a page whose origin begins alike", `${own}.evil.example.com`],
    ["a page whose origin ends alike", "https://evil-app.example.com"],
    ["a page of the host without encryption", own.replace("https", "http")],
    ["a page at another port", `${own}:444`],
    ["a page of a name within the host's", own.replace("app", "x.app")],
    ["a page whose origin is written otherwise", own.toUpperCase()],
    ["a page of two origins", `${own}, https://evil.example.com`],
    ["a page whose origin has a path", `${own}/`],
  ])("%s opens no WebSocket, and may read no response", async (_, origin) => {
    const { outcome, socket } = await open({ Origin: origin });
    expect(outcome).toBe(403);
    socket.terminate();
    const { headers } = await call(attacked, "Watch", "{}", { Origin: origin });
    expect(headers.get("Access-Control-Allow-Origin")).toBeNull();
  });

  test("an origin that is named opens one, and so does a program, which has none", async () => {
    for (const headers of [{ Origin: own }, {}]) {
      const { outcome, socket } = await open(headers);
      expect(outcome).toBe(101);
      socket.terminate();
    }
  });

  test("a WebSocket is opened for our protocol alone, and tells no token", async () => {
    const token = `bearer.${Buffer.from("swordfish").toString("base64url")}`;
    const { outcome, socket } = await open({}, [token, protocol]);
    expect(outcome).toBe(101);
    expect(socket.protocol).toBe(protocol);
    socket.terminate();
    for (const offered of [["chat"], [token], []]) {
      expect((await open({}, offered)).outcome).not.toBe(101);
    }
  });

  test("a WebSocket has no more calls at once than it may have", async () => {
    const { socket } = await open({});
    const refused: number[] = [];
    socket.on("message", (data: Buffer) => {
      for (let at = 0; at < data.byteLength; at += 10 + data.readUInt32BE(at)) {
        refused.push(data.readUInt32BE(at + 4));
        expect(data.readUInt8(at + 8)).toBe(frameType.response);
        expect(data.subarray(at).toString()).toContain("3 calls in flight already");
      }
    });
    for (let streamId = 1; streamId <= 11; streamId += 2) {
      socket.send(encodeFrame(requestFrame(streamId, BehaviourService.method.hang, { id: `many-${streamId}` })));
    }
    while (refused.length < 3) {
      await once(socket, "message");
    }
    expect(refused).toEqual([7, 9, 11]);
    socket.terminate();
    for (const streamId of [1, 3, 5]) {
      await untilOpen(attacked, `many-${streamId}`, false);
    }
  });

  test("a WebSocket's stream on which nothing moves is ended, and its handler with it", async () => {
    const { socket } = await open({});
    const id = `idle-${runtime}`;
    socket.send(
      encodeFrame(requestFrame(1, BehaviourService.method.converse, undefined, { flags: frameFlag.remoteOpen })),
    );
    const data = toBinary(ConverseRequestSchema, create(ConverseRequestSchema, { id }));
    socket.send(encodeFrame({ streamId: 1, type: frameType.data, data }));
    await untilOpen(attacked, id, true);
    await untilOpen(attacked, id, false);
    socket.terminate();
  });

  describe("caches", () => {
    const query = "connect=v1&encoding=json&message=%7B%7D";
    const manifest = "/plugboard.plugin.v1.PluginService/Describe";

    test.each(["HEAD", "PUT", "DELETE", "PATCH", "QUERY"])(
      "have nothing of a call by %s, which is none",
      async (method) => {
        const before = await echoes(attacked);
        const response = await fetch(`${attacked.url}${service}/Echo?${query}`, { method });
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(response.headers.get("Cache-Control")).toBe("no-store");
        expect(await echoes(attacked)).toBe(before);
      },
    );

    test("keep no error, whatever it was asked by", async () => {
      for (const [path, init] of [
        [`${service}/Echo?connect=v1&encoding=json&message=x`, {}],
        [`${service}/Nothing`, {}],
        [`${manifest}?connect=v1&encoding=json&message=x`, {}],
        [`${manifest}?connect=v1&encoding=none&message={}`, {}],
        [`${service}/Inspect`, {}],
        [`${manifest}?${query}`, { headers: { "X-Long": "a".repeat(17_000) } }],
        [`${manifest}?${query}`, { headers: { "Content-Type": "text/html" } }],
        [`${manifest}?${query}`, { headers: { "Connect-Timeout-Ms": "nonsense" } }],
      ] as const) {
        const response = await fetch(attacked.url + path, init);
        expect(response.ok).toBe(false);
        expect(response.headers.get("Cache-Control")).toBe("no-store");
      }
    });

    test("ask again for another origin and another encoding", async () => {
      for (const path of [`${manifest}?${query}`, `${service}/Echo?${query}`, "/healthz"]) {
        const response = await fetch(attacked.url + path, { headers: { Origin: own } });
        expect(response.status).toBe(200);
        expect(response.headers.get("Vary")).toMatch(/^Origin, Accept-Encoding/);
        expect(response.headers.get("Access-Control-Allow-Origin")).toBe(own);
      }
    });

    test("get the same reply whatever headers say that no cache asks by", async () => {
      const url = `${attacked.url}${manifest}?${query}`;
      const usual = await (await fetch(url)).text();
      const unkeyed = {
        "X-Forwarded-Host": "evil.example.com",
        "X-Forwarded-Proto": "evil",
        "X-Forwarded-For": "203.0.113.66",
        "X-Host": "evil.example.com",
        "X-Original-URL": "/evil",
        "X-HTTP-Method-Override": "POST",
        Forwarded: "host=evil.example.com",
        Accept: "text/html, evil/evil",
        "Accept-Language": "evil",
        Referer: "https://evil.example.com/",
        "User-Agent": "evil",
        Cookie: "evil=1",
      };
      const response = await fetch(url, { headers: unkeyed });
      expect(await response.text()).toBe(usual);
      expect(JSON.stringify([...response.headers])).not.toContain("evil");
    });

    test("get no body by GET that says something else than the URL", async () => {
      const asked = http.request(
        `${attacked.url}${service}/Echo?connect=v1&encoding=json&message=%7B%22text%22%3A%22url%22%7D`,
        {
          method: "GET",
          agent: false,
          headers: { "Content-Type": "application/json", "Content-Length": 15 },
        },
      );
      asked.end('{"text":"body"}');
      const [response] = (await once(asked, "response")) as [http.IncomingMessage];
      let content = "";
      for await (const chunk of response) {
        content += chunk;
      }
      expect(content).not.toContain("body");
    });
  });
});
