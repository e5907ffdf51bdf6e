import { once } from "node:events";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { webSocketCarrier } from "../../../src/ttrpc/carriers/websocket.ts";
import { createTtrpcClient } from "../../../src/ttrpc/client/client.ts";
import { AccessService } from "../../gen/plugboard/test/v1/access_pb.ts";
import type { GuardedServer } from "../../support/policy/guarded-server.ts";
import { runtimes } from "../../support/policy/guarded-server.ts";
import type { Issuer, IssuerKey } from "../../support/policy/issuer.ts";
import { goodClaims, makeKey, sign, startIssuer } from "../../support/policy/issuer.ts";

const protocol = "plugboard.ttrpc.v1";
const wrong = "swordfish-wrong-guess";
const bearerProtocol = (token: string) => `bearer.${base64Encode(new TextEncoder().encode(token), "url")}`;

let key: IssuerKey;
let issuer: Issuer;
let token: string;
beforeAll(async () => {
  key = await makeKey("one");
  issuer = await startIssuer([key]);
  token = await sign(key, goodClaims());
});
afterAll(() => issuer?.[Symbol.asyncDispose]());

/** A client whose calls bring no token of their own, on a WebSocket whose request has these headers. */
async function openAt(url: string, protocols: readonly string[], headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, [...protocols], { headers });
  const [reply] = await Promise.all([once(socket, "upgrade"), once(socket, "open")]);
  const { knowing, close } = createTtrpcClient({
    address: url,
    maxMessageBytes: 64 * 1024,
    open: async () => webSocketCarrier(socket, "client"),
  });
  const end = async () => {
    const closed = once(socket, "close");
    close(new Error("done"));
    await closed;
  };
  return {
    socket,
    headers: reply[0].headers,
    client: createClient(AccessService, knowing({ extended: true })),
    [Symbol.asyncDispose]: end,
  };
}

describe.each(runtimes)("a WebSocket of a plugin with auth in %s", (_, start) => {
  let server: GuardedServer;
  let url: string;
  beforeAll(async () => {
    server = await start({ AUTH: "jwt", JWKS_URL: issuer.url });
    url = server.url.replace("http:", "ws:");
  }, 60_000);
  afterAll(() => server?.stop());

  const open = (protocols: readonly string[], headers: Record<string, string> = {}) => openAt(url, protocols, headers);

  /** What a request to upgrade is refused with. */
  async function refusal(protocols: readonly string[], headers: Record<string, string> = {}, path = "") {
    const socket = new WebSocket(url + path, [...protocols], { headers });
    socket.on("error", () => undefined);
    const [request, response] = await once(socket, "unexpected-response");
    response.resume();
    request.destroy();
    return response;
  }

  test("is authorized by a token among the subprotocols, which is not echoed", async () => {
    await using opened = await open([protocol, bearerProtocol(token)]);
    expect(opened.socket.protocol).toBe(protocol);
    expect(opened.headers["sec-websocket-protocol"]).toBe(protocol);
    expect(JSON.stringify(opened.headers)).not.toContain(bearerProtocol(token));
    expect(await opened.client.whoAmI({})).toMatchObject({ subject: "ann", scopes: ["notes.write", "notes.read"] });
    await expect(Array.fromAsync(opened.client.purge(noMessages()))).rejects.toMatchObject({
      code: Code.PermissionDenied,
    });
  });

  test("is authorized by a header, for programs that are no browser", async () => {
    await using opened = await open([protocol], { Authorization: `Bearer ${token}` });
    expect(await opened.client.whoAmI({})).toMatchObject({ subject: "ann" });
  });

  test("goes by the subprotocol if there is a header, too, as browsers send what they have kept of others", async () => {
    await using opened = await open([bearerProtocol(token), protocol], { Authorization: "Basic c3dvcmRmaXNo" });
    expect(await opened.client.whoAmI({})).toMatchObject({ subject: "ann" });
  });

  test("lets each call bring a token of its own", async () => {
    await using opened = await open([protocol, bearerProtocol(token)]);
    const headers = { Authorization: `Bearer ${await sign(key, { ...goodClaims(), sub: "bob" })}` };
    expect(await opened.client.whoAmI({}, { headers })).toMatchObject({ subject: "bob" });
    const refused = opened.client.whoAmI({}, { headers: { Authorization: `Bearer ${wrong}` } });
    await expect(refused).rejects.toMatchObject({ code: Code.Unauthenticated });
  });

  test("opens without a token, and is good for public methods then", async () => {
    await using opened = await open([protocol]);
    expect(await opened.client.greet({})).toMatchObject({ subject: "" });
    await expect(opened.client.whoAmI({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  });

  test("notices that its token has expired", async () => {
    const brief = await sign(key, { ...goodClaims(), exp: Math.floor(Date.now() / 1000) + 3 });
    await using opened = await open([protocol, bearerProtocol(brief)]);
    expect(await opened.client.whoAmI({})).toMatchObject({ subject: "ann" });
    await vi.waitFor(
      () =>
        expect(opened.client.whoAmI({})).rejects.toMatchObject({
          code: Code.Unauthenticated,
          rawMessage: "the token has expired",
        }),
      { timeout: 10_000, interval: 100 },
    );
  });

  test.each<[string, () => readonly string[], () => Record<string, string>]>([
    ["a wrong token", () => [protocol, bearerProtocol(wrong)], () => ({})],
    ["a token that can't be read", () => [protocol, "bearer.%%%"], () => ({})],
    ["an empty token", () => [protocol, "bearer."], () => ({})],
    ["two tokens", () => [protocol, bearerProtocol(token), bearerProtocol(`${token}x`)], () => ({})],
    ["a wrong token in a header", () => [protocol], () => ({ Authorization: `Bearer ${wrong}` })],
    [
      "a wrong token beside a header with a good one",
      () => [protocol, bearerProtocol(wrong)],
      () => ({ Authorization: `Bearer ${token}` }),
    ],
  ])("is not opened with %s", async (_, protocols, headers) => {
    const requestId = crypto.randomUUID();
    const { statusCode, headers: replied } = await refusal(protocols(), { ...headers(), "X-Request-Id": requestId });
    expect(statusCode).toBe(401);
    expect(replied).toMatchObject({
      "www-authenticate": 'Bearer error="invalid_token"',
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "permissions-policy": expect.any(String),
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
      "x-request-id": requestId,
    });
    expect(JSON.stringify(replied)).not.toContain("bearer.");
    const lines = await vi.waitFor(async () => {
      const found = (await server.log()).split("\n").filter((line) => line.includes(requestId));
      expect(found).toHaveLength(1);
      return found;
    });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ method: "websocket", reason: "invalid_token" });
    expect(await server.log()).not.toContain(wrong);
  });

  test("takes no token from the URL", async () => {
    const socket = new WebSocket(`${url}/?access_token=${token}&authorization=Bearer%20${token}`, [protocol]);
    await once(socket, "open");
    const { knowing, close } = createTtrpcClient({
      address: url,
      maxMessageBytes: 1024,
      open: async () => webSocketCarrier(socket, "client"),
    });
    await expect(createClient(AccessService, knowing({ extended: true })).whoAmI({})).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
    close(new Error("done"));
  });

  test("of a page of another origin is not opened, whatever its token", async () => {
    const { statusCode } = await refusal([protocol, bearerProtocol(token)], { Origin: "https://evil.test" });
    expect(statusCode).toBe(403);
  });
});

describe.each(runtimes)("what a call over a WebSocket says in its headers, in %s,", (_, start) => {
  let server: GuardedServer;
  let url: string;
  beforeAll(async () => {
    server = await start({ AUTH: "headers", RATE_LIMIT: "proxied" });
    url = server.url.replace("http:", "ws:");
  }, 60_000);
  afterAll(() => server?.stop());

  /** A key of its own in front of the rate limit, for each WebSocket. */
  let calls = 0;
  const upgrade = (headers: Record<string, string> = {}) =>
    openAt(url, [protocol], { "X-Real-IP": `203.0.113.${++calls}`, ...headers });

  test("takes the place of nothing that the request to open it has said", async () => {
    await using opened = await upgrade({
      "X-Real-IP": "198.51.100.7",
      "X-Tenant": "acme",
      Cookie: "session=1",
      Authorization: "Basic c3dvcmRmaXNo",
      "X-Request-Id": "of-the-upgrade",
      traceparent: "00-11111111111111111111111111111111-1111111111111111-01",
    });
    const own = {
      "X-Request-Id": "of-the-call",
      traceparent: "00-22222222222222222222222222222222-2222222222222222-01",
    };
    const { claims } = await opened.client.whoAmI(
      {},
      { headers: { ...own, "X-Real-IP": "192.0.2.1", "X-Tenant": "other", Cookie: "session=2", "X-Own": "mine" } },
    );
    const heard = JSON.parse(claims);
    expect(heard).toMatchObject({
      "x-real-ip": "198.51.100.7",
      "x-tenant": "acme",
      cookie: "session=1",
      "x-request-id": "of-the-call",
      traceparent: own.traceparent,
      "x-own": "mine",
    });
    expect(Object.keys(heard).filter((name) => /authorization|upgrade|connection|sec-/.test(name))).toEqual([]);
  });

  test("is nothing that is a proxy's, a platform's or a browser's to say", async () => {
    await using opened = await upgrade();
    const theirs = [
      ...["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Client-Cert", "X-Forwarded-User", "X-Client-IP"],
      ...["True-Client-IP", "Client-Cert", "X-Auth-Request-User", "X-Auth-Request-Email", "X-User", "Remote-User"],
      ...["X-Remote-User", "X-WebAuth-User", "X-SSL-Client-Cert", "CF-Connecting-IP", "CF-Access-Jwt-Assertion"],
      ...["Cf-Access-Authenticated-User-Email", "X-Envoy-External-Address", "Fly-Client-IP", "X-Amzn-Oidc-Identity"],
      ...["X-Goog-Authenticated-User-Email", "X-MS-Client-Principal-Name", "X-Consumer-Username"],
      ...["X-User-Id", "X-Username", "X-User-Email", "X-UserInfo"],
      ...["Tailscale-User-Login", "Cookie", "Origin", "Sec-Fetch-Site", "Proxy-Authorization"],
    ];
    const headers = Object.fromEntries([...theirs, "X-Own"].map((name) => [name, "made-up"]));
    const { claims } = await opened.client.whoAmI({}, { headers });
    const madeUp = Object.entries(JSON.parse(claims)).filter(([, value]) => value === "made-up");
    expect(madeUp).toEqual([["x-own", "made-up"]]);
  });

  test("makes it no other caller for a rate limit by what a proxy says", async () => {
    await using opened = await upgrade();
    const call = () => opened.client.whoAmI({}, { headers: { "X-Real-IP": crypto.randomUUID() } });
    await call();
    await call();
    await expect(call()).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });
});

test.each(runtimes)(
  "in %s no one passes for another over a WebSocket by headers that a proxy sets",
  async (_, start) => {
    const server = await start({ AUTH: "function" });
    try {
      const url = server.url.replace("http:", "ws:");
      const headers = { "X-Auth-Request-User": "ann", "X-User": "ann" };
      await using known = await openAt(url, [protocol], { "X-Auth-Request-User": "mallory" });
      await expect(known.client.write({}, { headers })).rejects.toMatchObject({ code: Code.PermissionDenied });
      await using unknown = await openAt(url, [protocol]);
      await expect(unknown.client.write({}, { headers })).rejects.toMatchObject({ code: Code.Unauthenticated });
    } finally {
      await server.stop();
    }
  },
  60_000,
);

async function* noMessages(): AsyncGenerator<never> {}
