import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import type { GuardedServer } from "../../support/policy/guarded-server.ts";
import { runtimes } from "../../support/policy/guarded-server.ts";
import type { AuthVariables } from "../fixtures/auth.ts";

const secret = "swordfish-0123456789";
const otherSecret = "another-0123456789-swordfish";
const protocol = "plugboard.ttrpc.v1";

function whoAmI({ url }: GuardedServer, token?: string, method = "WhoAmI"): Promise<Response> {
  return fetch(`${url}/plugboard.test.v1.AccessService/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token !== undefined && { Authorization: `Bearer ${token}` }) },
    body: "{}",
  });
}

const statusOf = async (server: GuardedServer, token?: string, method?: string) => {
  const response = await whoAmI(server, token, method);
  await response.arrayBuffer();
  return response.status;
};

/** The status that a WebSocket with a token is refused with. */
async function upgradeStatus({ url }: GuardedServer, token: string): Promise<number> {
  const socket = new WebSocket(url.replace("http:", "ws:"), [protocol], {
    headers: { Authorization: `Bearer ${token}` },
  });
  socket.on("error", () => undefined);
  const [request, response] = await once(socket, "unexpected-response");
  response.resume();
  request.destroy();
  return response.statusCode;
}

describe.each(runtimes)("denials in %s", (_, start) => {
  async function started(variables: AuthVariables) {
    const server = await start({ AUTH: "bearer", SECRETS: `${secret},${otherSecret}`, ...variables });
    return { ...server, [Symbol.asyncDispose]: () => server.stop() };
  }

  test.each(["throws", "rejects"])("get their usual response if recording one %s", async (AUDIT) => {
    await using server = await started({ AUDIT });
    for (let call = 0; call < 2; call++) {
      expect(await statusOf(server, "wrong")).toBe(401);
      expect(await upgradeStatus(server, "wrong")).toBe(401);
    }
    expect(await statusOf(server, secret)).toBe(200);
  });

  test("of one address are limited before anybody is asked, and recorded seldom from there on", async () => {
    await using server = await started({ AUTH_FAILURES: "few" });
    expect(await statusOf(server, secret)).toBe(200);
    const guesses = ["one", "two", "three"];
    for (const guess of guesses) {
      expect(await statusOf(server, guess)).toBe(401);
    }
    const refused = await whoAmI(server, "four");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: "resource_exhausted" });
    expect(await upgradeStatus(server, "five")).toBe(429);
    // Its holder has not called yet, and can't be told from who guesses.
    expect(await statusOf(server, otherSecret)).toBe(429);
    expect(await statusOf(server, secret)).toBe(200);
  });

  test("are no reason to limit an address if they guess nothing: without a token, or with one that lacks a scope", async () => {
    await using server = await started({ AUTH_FAILURES: "few" });
    for (let call = 0; call < 5; call++) {
      expect(await statusOf(server)).toBe(401);
      expect(await statusOf(server, secret, "Write")).toBe(403);
    }
    for (const guess of ["one", "two", "three"]) {
      expect(await statusOf(server, guess)).toBe(401);
    }
    // Its token was good, whatever it lacks.
    expect(await statusOf(server, secret)).toBe(200);
    expect(await statusOf(server, "four")).toBe(429);
  });

  test("of WebSockets count as those of calls do", async () => {
    await using server = await started({ AUTH_FAILURES: "few" });
    for (const guess of ["one", "two", "three"]) {
      expect(await upgradeStatus(server, guess)).toBe(401);
    }
    expect(await upgradeStatus(server, "four")).toBe(429);
    expect(await statusOf(server, "five")).toBe(429);
  });
});

test("denials of an address are recorded each, but for those beyond the limit", async () => {
  const [, start] = runtimes[0];
  const server = await start({ AUTH: "bearer", SECRETS: secret, AUTH_FAILURES: "few" });
  try {
    for (let guess = 0; guess < 20; guess++) {
      await statusOf(server, `guess-${guess}`);
    }
    // The last is recorded behind all others.
    await vi.waitFor(async () => expect(await server.log()).toContain("too_many_failures"));
    const log = await server.log();
    expect(log.match(/"reason":"invalid_token"/g)).toHaveLength(3);
    expect(log.match(/"reason":"too_many_failures"/g)).toHaveLength(1);
    // From this machine, where a proxy may be for others.
    expect(log.match(/configure it as `behindProxy`/g)).toHaveLength(1);
  } finally {
    await server.stop();
  }
});

test("denials are limited unless the options lift that", async () => {
  const [, start] = runtimes[0];
  const server = await start({ AUTH: "bearer", SECRETS: secret });
  try {
    const statuses = new Set<number>();
    for (let guess = 0; guess < 150; guess++) {
      statuses.add(await statusOf(server, `guess-${guess}`));
    }
    expect([...statuses]).toEqual([401, 429]);
  } finally {
    await server.stop();
  }
});
