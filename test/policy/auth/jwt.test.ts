import type * as http from "node:http";
import { Code } from "@connectrpc/connect";
import type { JWTPayload } from "jose";
import { base64url, exportJWK, SignJWT, UnsecuredJWT } from "jose";
import type { JwtOptions } from "plugboard";
import { isPlugboardError, jwt } from "plugboard";
import type { MockInstance } from "vitest";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import behaviour from "../../behaviour/plugin.ts";
import { listenLocally } from "../../support/local-listener.ts";
import type { GuardedServer } from "../../support/policy/guarded-server.ts";
import { runtimes, startInNode } from "../../support/policy/guarded-server.ts";
import type { Issuer, IssuerKey } from "../../support/policy/issuer.ts";
import { goodClaims, makeKey, publicPem, sign, startIssuer } from "../../support/policy/issuer.ts";

const common = { issuer: "https://issuer.test", audience: "notes" };
const secret = "a secret of more than thirty-two bytes";
const now = () => Math.floor(Date.now() / 1000);

/** What `auth` makes of a token. */
async function verify(options: JwtOptions | ReturnType<typeof jwt>, token: string | undefined) {
  const authenticate = typeof options === "function" ? options : jwt(options);
  return authenticate({ token, headers: new Headers(), peer: {}, signal: new AbortController().signal });
}

let key: IssuerKey;
let other: IssuerKey;
let rsa: IssuerKey;
let stranger: IssuerKey;
let issuer: Issuer;
beforeAll(async () => {
  key = await makeKey("one");
  other = await makeKey("two", "EdDSA");
  rsa = await makeKey("three", "RS256");
  stranger = await makeKey("one");
  issuer = await startIssuer([key, other, rsa]);
});
afterAll(() => issuer?.[Symbol.asyncDispose]());

describe("a token that an issuer has signed", () => {
  test("tells subject, scopes and claims of its caller", async () => {
    const claims = { ...goodClaims(), org: "acme" };
    expect(await verify({ ...common, jwks: issuer.url }, await sign(key, claims))).toEqual({
      subject: "ann",
      scopes: ["notes.write", "notes.read"],
      claims,
    });
  });

  test.each<[string, JWTPayload, readonly string[]]>([
    ["scp as a list", { scp: ["a", "b", 7] }, ["a", "b"]],
    ["scp as a text", { scp: "a b" }, ["a", "b"]],
    ["none", {}, []],
  ])("may have its scopes in %s", async (_, extra, scopes) => {
    const { scope: _scope, ...claims } = goodClaims();
    expect(await verify({ ...common, jwks: issuer.url }, await sign(key, { ...claims, ...extra }))).toMatchObject({
      scopes,
    });
  });

  test("may be signed by each of its keys, and be for one audience of several", async () => {
    const options = {
      ...common,
      jwks: new URL(issuer.url),
      audience: ["other", "notes"],
      issuer: ["x", common.issuer],
    };
    for (const each of [key, other, rsa]) {
      expect(await verify(options, await sign(each, { ...goodClaims(), aud: ["notes", "elsewhere"] }))).toMatchObject({
        subject: "ann",
      });
    }
  });

  test("may be verified with a key set that is at hand", async () => {
    const jwks = { keys: [{ ...(await exportJWK(key.publicKey)), kid: "one", alg: "ES256" }] };
    expect(await verify({ ...common, jwks }, await sign(key, goodClaims()))).toMatchObject({ subject: "ann" });
    await expect(verify({ ...common, jwks }, await sign(other, goodClaims()))).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
  });

  test("is no one's if there is none", async () => {
    expect(await verify({ ...common, jwks: issuer.url }, undefined)).toBeUndefined();
  });

  const wrongClaims: [string, Record<string, unknown>][] = [
    ["of another issuer", { iss: "https://evil.test" }],
    ["of an issuer whose name begins alike", { iss: "https://issuer.test.evil.test" }],
    ["without issuer", { iss: undefined }],
    ["for another audience", { aud: "other" }],
    ["without audience", { aud: undefined }],
    ["without subject", { sub: undefined }],
    ["with an empty subject", { sub: "" }],
    ["without end", { exp: undefined }],
    ["that begins after the skew of clocks", { nbf: now() + 1000 }],
  ];
  test.each(wrongClaims)("is refused %s", async (_, claims) => {
    const token = await sign(key, { ...goodClaims(), ...claims });
    await expect(verify({ ...common, jwks: issuer.url }, token)).rejects.toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: "the token is not valid",
    });
  });

  test("is refused when it has expired, but for the skew of clocks", async () => {
    const options = { ...common, jwks: issuer.url };
    expect(await verify(options, await sign(key, { ...goodClaims(), exp: now() - 30 }))).toMatchObject({
      subject: "ann",
    });
    expect(await verify(options, await sign(key, { ...goodClaims(), nbf: now() + 30 }))).toMatchObject({
      subject: "ann",
    });
    const expired = { code: Code.Unauthenticated, rawMessage: "the token has expired" };
    await expect(verify(options, await sign(key, { ...goodClaims(), exp: now() - 61 }))).rejects.toMatchObject(expired);
    const exact = { ...options, clockToleranceSeconds: 0 };
    await expect(verify(exact, await sign(key, { ...goodClaims(), exp: now() - 1 }))).rejects.toMatchObject(expired);
  });

  test.each<[string, () => Promise<string> | string]>([
    ["without a signature", () => new UnsecuredJWT(goodClaims()).encode()],
    ["whose signature was cut off", async () => `${(await sign(key, goodClaims())).split(".").slice(0, 2).join(".")}.`],
    ["signed by another key of the same name", () => sign(stranger, goodClaims())],
    ["signed by a key that is not published", async () => sign(await makeKey("four"), goodClaims())],
    [
      "signed with the public key as a secret",
      async () =>
        new SignJWT(goodClaims())
          .setProtectedHeader({ alg: "HS256", kid: "three" })
          .sign(new TextEncoder().encode(await publicPem(rsa))),
    ],
    ["signed by the key of one kind under the name of another", () => sign({ ...key, kid: "three" }, goodClaims())],
    [
      "with other claims than were signed",
      async () => {
        const [header, , signature] = (await sign(key, goodClaims())).split(".");
        return [header, base64url.encode(JSON.stringify({ ...goodClaims(), sub: "root" })), signature].join(".");
      },
    ],
    [
      "that brings its own key",
      async () =>
        new SignJWT(goodClaims())
          .setProtectedHeader({ alg: "ES256", jwk: await exportJWK(stranger.publicKey) })
          .sign(stranger.privateKey),
    ],
    ["that is none", () => "swordfish"],
  ])("is refused: %s", async (_, make) => {
    await expect(verify({ ...common, jwks: issuer.url }, await make())).rejects.toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: "the token is not valid",
    });
  });

  test("is refused if it is signed in another way than is asked for", async () => {
    const options: JwtOptions = { ...common, jwks: issuer.url, algorithms: ["RS256"] };
    expect(await verify(options, await sign(rsa, goodClaims()))).toMatchObject({ subject: "ann" });
    await expect(verify(options, await sign(key, goodClaims()))).rejects.toMatchObject({ code: Code.Unauthenticated });
  });
});

describe("an issuer's keys", () => {
  test("are asked for once, not for tokens that can't be right anyway, and anew when others are used", async () => {
    const [first, second] = await Promise.all([makeKey("a"), makeKey("b")]);
    await using local = await startIssuer([first]);
    const auth = jwt({ ...common, jwks: local.url });
    await verify(auth, undefined);
    await expect(verify(auth, new UnsecuredJWT(goodClaims()).encode())).rejects.toThrow();
    expect(local.asked()).toBe(0);
    const token = await sign(first, goodClaims());
    await Promise.all([verify(auth, token), verify(auth, token), verify(auth, token)]);
    expect(local.asked()).toBe(1);
    local.keys.push(second);
    // Not while they are new: anybody can make a name up.
    await expect(verify(auth, await sign(second, goodClaims()))).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(local.asked()).toBe(1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31_000 });
    try {
      expect(await verify(auth, await sign(second, goodClaims()))).toMatchObject({ subject: "ann" });
    } finally {
      vi.useRealTimers();
    }
    expect(local.asked()).toBe(2);
  });

  test.each<[string, Parameters<Issuer["respondWith"]>[0]]>([
    ["fails", (response) => response.writeHead(500).end()],
    ["breaks off", (response) => response.destroy()],
    ["responds with something else", (response) => response.end("<html>")],
    ["sends elsewhere", (response) => response.writeHead(302, { Location: issuer.url }).end()],
  ])("are not had if it %s: then no one is let in, and it is not asked for each token", async (_, reply) => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
    await using local = await startIssuer([key]);
    local.respondWith(reply);
    const auth = jwt({ ...common, jwks: local.url });
    const token = await sign(key, goodClaims());
    await using listener = await listenLocally(behaviour, "tcp", { auth });
    const url = `${listener.address.replace("tcp:", "http://")}/plugboard.test.v1.BehaviourService/Echo`;
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    for (let call = 0; call < 3; call++) {
      const response = await fetch(url, { method: "POST", headers, body: "{}" });
      expect(await response.json()).toMatchObject({ code: "unavailable" });
    }
    expect(local.asked()).toBe(1);
    expect(logged).toHaveBeenCalledOnce();
    expect(String(logged.mock.calls[0])).toContain(local.url);
    expect(String(logged.mock.calls[0])).not.toContain(token);
    local.respondWith(undefined);
    await vi.waitFor(async () => expect(await verify(auth, token)).toMatchObject({ subject: "ann" }), {
      timeout: 10_000,
    });
    logged.mockRestore();
  });
});

describe("an issuer that is down", () => {
  const minutes = 60_000;
  let local: Issuer;
  let auth: ReturnType<typeof jwt>;
  let token: string;
  let madeUp: string;
  let logged: MockInstance<typeof console.error>;
  beforeEach(async () => {
    logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
    local = await startIssuer([key]);
    auth = jwt({ ...common, jwks: local.url });
    token = await sign(key, { ...goodClaims(), exp: now() + 86_400 });
    madeUp = await sign({ ...stranger, kid: "made-up" }, goodClaims());
    await verify(auth, token);
    local.respondWith((response) => response.writeHead(503).end());
  });
  afterEach(async () => {
    vi.useRealTimers();
    logged.mockRestore();
    await local[Symbol.asyncDispose]();
  });
  const later = (ms: number) => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
  const unavailable = { code: Code.Unavailable };

  test("has none refused whose key is known, whatever tokens others make up", async () => {
    later(0.6 * minutes);
    for (let call = 0; call < 5; call++) {
      await expect(verify(auth, madeUp)).rejects.toMatchObject(unavailable);
      expect(await verify(auth, token)).toMatchObject({ subject: "ann" });
    }
    // Once at first, and once for all that were made up.
    expect(local.asked()).toBe(2);
  });

  test("has its keys hold for an hour beyond their time, and no longer", async () => {
    later(11 * minutes);
    expect(await verify(auth, token)).toMatchObject({ subject: "ann" });
    await expect(verify(auth, madeUp)).rejects.toMatchObject(unavailable);
    later(60 * minutes);
    await expect(verify(auth, token)).rejects.toMatchObject(unavailable);
  });

  test("keeps one call waiting whose key is known, and not the others", async () => {
    later(11 * minutes);
    await verify(auth, token);
    const { promise: asked, resolve } = Promise.withResolvers<http.ServerResponse>();
    local.respondWith(resolve);
    const waiting = vi.waitFor(
      async () => {
        const verified = verify(auth, token);
        const first = await Promise.race([asked, verified]);
        expect(first).not.toHaveProperty("subject");
        return verified;
      },
      { timeout: 10_000 },
    );
    const held = await asked;
    expect(await verify(auth, token)).toMatchObject({ subject: "ann" });
    held.writeHead(503).end();
    expect(await waiting).toMatchObject({ subject: "ann" });
  });
});

describe("a token that is signed with a secret", () => {
  const signed = (alg = "HS256", by = secret) =>
    new SignJWT(goodClaims()).setProtectedHeader({ alg }).sign(new TextEncoder().encode(by));

  test("tells its caller", async () => {
    expect(await verify({ ...common, secret }, await signed())).toMatchObject({ subject: "ann" });
    expect(await verify({ ...common, secret: new TextEncoder().encode(secret) }, await signed())).toMatchObject({
      subject: "ann",
    });
  });

  test("is refused with another secret, another algorithm, or none", async () => {
    const refused = { code: Code.Unauthenticated, rawMessage: "the token is not valid" };
    await expect(verify({ ...common, secret }, await signed("HS256", `${secret}!`))).rejects.toMatchObject(refused);
    await expect(verify({ ...common, secret }, await signed("HS512"))).rejects.toMatchObject(refused);
    const none = new UnsecuredJWT(goodClaims()).encode();
    await expect(verify({ ...common, secret }, none)).rejects.toMatchObject(refused);
    await expect(verify({ ...common, secret }, await sign(key, goodClaims()))).rejects.toMatchObject(refused);
  });
});

test.each<[string, object]>([
  ["neither keys nor secret", common],
  ["keys and a secret", { ...common, jwks: "https://issuer.test/jwks", secret }],
  ["a short secret", { ...common, secret: "short" }],
  ["a secret that is short for the algorithm", { ...common, secret, algorithms: ["HS512"] }],
  ["no issuer", { audience: "notes", secret }],
  ["no audience", { issuer: "x", secret }],
  ["an empty audience", { ...common, audience: "", secret }],
  ["an audience that is not set", { ...common, audience: [undefined], secret }],
  ["the algorithm none", { ...common, secret, algorithms: ["none"] }],
  ["a secret's algorithm for keys", { ...common, jwks: "https://issuer.test/jwks", algorithms: ["RS256", "HS256"] }],
  ["an algorithm of keys for a secret", { ...common, secret, algorithms: ["RS256"] }],
  ["no algorithm at all", { ...common, secret, algorithms: [] }],
  ["keys without encryption", { ...common, jwks: "http://issuer.test/jwks" }],
  ["keys from a file", { ...common, jwks: "file:///etc/jwks" }],
  ["keys from nowhere", { ...common, jwks: "jwks.json" }],
  ["an empty key set", { ...common, jwks: { keys: [] } }],
  ["no skew that is a number", { ...common, secret, clockToleranceSeconds: Number.NaN }],
  ["a skew below zero", { ...common, secret, clockToleranceSeconds: -1 }],
])("jwt() takes no options with %s", (_, options) => {
  let thrown: unknown;
  try {
    // What types forbid, a program without types may pass all the same.
    jwt(options as JwtOptions);
  } catch (error) {
    thrown = error;
  }
  expect(isPlugboardError(thrown, "PB-AUTH-JWT")).toBe(true);
  expect(String(thrown)).not.toContain(secret);
});

test("callers at one address that are known by their tokens are limited each for itself", async () => {
  const server = await startInNode({ AUTH: "jwt", JWKS_URL: issuer.url, RATE_LIMIT: "one" });
  const statusFor = async (sub: string) => {
    const token = await sign(key, { ...goodClaims(), sub });
    const response = await fetch(`${server.url}/plugboard.test.v1.AccessService/WhoAmI`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: "{}",
    });
    return response.status;
  };
  try {
    expect(await statusFor("ann")).toBe(200);
    expect(await statusFor("bob")).toBe(200);
    expect(await statusFor("ann")).toBe(429);
  } finally {
    await server.stop();
  }
});

describe.each(runtimes)("a plugin in %s whose callers have tokens of an issuer", (_, start) => {
  let server: GuardedServer;
  beforeAll(async () => {
    server = await start({ AUTH: "jwt", JWKS_URL: issuer.url });
  }, 60_000);
  afterAll(() => server?.stop());

  async function call(method: string, token: string) {
    const response = await fetch(`${server.url}/plugboard.test.v1.AccessService/${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: "{}",
    });
    return { status: response.status, body: (await response.json()) as { claims?: string } };
  }

  test("lets them in as the token says", async () => {
    const claims = goodClaims();
    const { status, body } = await call("WhoAmI", await sign(key, claims));
    expect(status).toBe(200);
    expect(body).toMatchObject({ subject: "ann", scopes: ["notes.write", "notes.read"] });
    expect(JSON.parse(body.claims ?? "")).toEqual(claims);
    expect((await call("Write", await sign(rsa, claims))).status).toBe(200);
    expect((await call("Write", await sign(rsa, { ...claims, scope: "" }))).status).toBe(403);
  });

  test("refuses others, and records why without the token", async () => {
    const expired = await sign(key, { ...goodClaims(), exp: now() - 1 });
    const tokens = [
      expired,
      await sign(key, { ...goodClaims(), iss: "https://evil.test" }),
      await sign(key, { ...goodClaims(), aud: "other" }),
      await sign(stranger, goodClaims()),
      new UnsecuredJWT(goodClaims()).encode(),
    ];
    for (const token of tokens) {
      expect(await call("WhoAmI", token)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    }
    await vi.waitFor(async () => {
      const log = await server.log();
      expect(log.match(/"reason":"expired_token"/g)).toHaveLength(1);
      expect(log.match(/"reason":"invalid_token"/g)).toHaveLength(4);
    });
    const log = await server.log();
    for (const token of tokens) {
      expect(log).not.toContain(token.split(".")[1]);
    }
  });
});
