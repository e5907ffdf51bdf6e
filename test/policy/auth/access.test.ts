import { Code, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import type { Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { AccessService } from "../../gen/plugboard/test/v1/access_pb.ts";
import type { GuardedServer } from "../../support/policy/guarded-server.ts";
import { runtimes } from "../../support/policy/guarded-server.ts";

type Protocol = NonNullable<Requirements["protocols"]>[number];

const secret = "swordfish-0123456789";
const otherSecret = "Another+secret/with~all.kinds_of-marks==";
const wrong = "swordfish-wrong-guess";
const service = "/plugboard.test.v1.AccessService";
const describePath = "/plugboard.plugin.v1.PluginService/Describe";
const healthPath = "/grpc.health.v1.Health/Check";

function authorized(token: string) {
  return { Authorization: `Bearer ${token}` };
}

describe.each(runtimes)("a plugin with a bearer secret in %s", (runtime, start) => {
  let server: GuardedServer;
  beforeAll(async () => {
    server = await start({ AUTH: "bearer", SECRETS: `${otherSecret},${secret}`, SCOPES: "notes.write" });
  }, 60_000);
  afterAll(() => server?.stop());

  function post(path: string, headers: Record<string, string> = {}, body: BodyInit = "{}") {
    const init = { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body };
    return fetch(server.url + path, init);
  }

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}${path}?connect=v1&encoding=json&message={}`, { headers });

  /** The record of a request that was denied. */
  async function denialOf(response: Response): Promise<unknown> {
    const id = response.headers.get("X-Request-Id") ?? "";
    const lines = await vi.waitFor(async () => {
      const found = (await server.log()).split("\n").filter((line) => line.includes(id));
      expect(found).toHaveLength(1);
      return found;
    });
    return JSON.parse(lines[0] ?? "");
  }

  test("lets any caller call a public method", async () => {
    const response = await post(`${service}/Greet`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({});
  });

  test("tells a public method's handler who calls if the caller says so", async () => {
    expect(await (await post(`${service}/Greet`, authorized(secret))).json()).toEqual({ subject: "the robot" });
  });

  test("refuses a call without a token, tells how to do better, and records it once", async () => {
    const response = await post(`${service}/WhoAmI`, { "X-Request-Id": "without-a-token" });
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toBe("Bearer");
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(await response.json()).toMatchObject({ code: "unauthenticated" });
    expect(await denialOf(response)).toEqual({
      ...(runtime === "Node" && { level: "warning", message: "denied" }),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      requestId: "without-a-token",
      method: "plugboard.test.v1.AccessService/WhoAmI",
      peer: expect.stringMatching(/^(?:127\.0\.0\.1|::1)$/),
      reason: "no_credentials",
    });
  });

  test.each(["Greet", "WhoAmI", "Write"])("refuses a wrong token for %s, and does not repeat it", async (method) => {
    const response = await post(`${service}/${method}`, authorized(wrong));
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toBe('Bearer error="invalid_token"');
    expect(JSON.stringify([...response.headers]) + (await response.text())).not.toContain(wrong);
    expect(await denialOf(response)).toMatchObject({ reason: "invalid_token" });
    expect(await server.log()).not.toContain(wrong);
  });

  test.each([
    ["of another scheme", "Basic c3dvcmRmaXNo", "no_credentials"],
    ["that is empty", "Bearer", "invalid_token"],
    ["that is two", `Bearer ${secret}, Bearer ${secret}`, "invalid_token"],
    ["that is longer than any", `Bearer ${"a".repeat(9_000)}`, "invalid_token"],
  ])("refuses a token %s", async (_, authorization, reason) => {
    const response = await post(`${service}/WhoAmI`, { Authorization: authorization });
    expect(response.status).toBe(401);
    expect(await denialOf(response)).toMatchObject({ reason });
  });

  test.each([secret, otherSecret])("takes each of its secrets: %s", async (token) => {
    const response = await post(`${service}/WhoAmI`, authorized(token));
    expect(await response.json()).toEqual({ subject: "the robot", scopes: ["notes.write"], claims: "{}" });
    const lowerCase = await post(`${service}/WhoAmI`, { Authorization: `bearer ${token}` });
    expect(lowerCase.status).toBe(200);
  });

  test("takes no token from the URL", async () => {
    for (const name of ["access_token", "token", "authorization", "Authorization"]) {
      const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}", [name]: `Bearer ${secret}` });
      expect((await fetch(`${server.url}${service}/WhoAmI?${query}`)).status).toBe(401);
      query.set(name, secret);
      expect((await fetch(`${server.url}${service}/WhoAmI?${query}`)).status).toBe(401);
    }
  });

  test("lets a caller with the scope in, and none without", async () => {
    expect((await post(`${service}/Write`, authorized(secret))).status).toBe(200);
    await using connection = await connect(server.url, { token: secret });
    async function* requests() {
      yield { text: "all" };
    }
    const purging = Array.fromAsync(connection.client(AccessService).purge(requests()));
    await expect(purging).rejects.toMatchObject({
      code: Code.PermissionDenied,
      rawMessage: "the caller lacks the scope notes.admin",
    });
    await vi.waitFor(async () =>
      expect(await server.log()).toMatch(
        /"method":"plugboard.test.v1.AccessService\/Purge",.*"reason":"missing_scope","subject":"the robot"/,
      ),
    );
  });

  test("decides before it reads the message", async () => {
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 1;
        controller.enqueue(new Uint8Array(1024));
        return sent < 4 ? undefined : new Promise<void>(() => undefined);
      },
    });
    const response = await fetch(`${server.url}${service}/Write`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorized(wrong) },
      body: endless,
      duplex: "half",
    } as RequestInit);
    expect(response.status).toBe(401);
    await response.body?.cancel();
  });

  test("tells everybody how it is, whatever token they send", async () => {
    for (const headers of [{}, authorized(wrong)]) {
      expect(await (await post(healthPath, headers)).json()).toEqual({ status: "SERVING" });
    }
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test("describes itself to callers that are known, and lets no shared cache keep that", async () => {
    expect((await get(describePath)).status).toBe(401);
    const described = await get(describePath, authorized(secret));
    expect(described.status).toBe(200);
    expect(described.headers.get("Cache-Control")).toBe("private, max-age=60");
    expect(described.headers.get("Vary")).toContain("Authorization");
    const tag = described.headers.get("ETag") ?? '"none"';
    expect((await get(describePath, { "If-None-Match": tag })).status).toBe(401);
  });

  test("lets no shared cache keep a response to GET, whatever the handler says", async () => {
    const response = await get(`${service}/WhoAmI`, authorized(secret));
    expect(await response.json()).toMatchObject({ subject: "the robot" });
    expect(response.headers.get("Cache-Control")).toBe("private, max-age=60");
  });

  test("holds for gRPC-Web, too", async () => {
    const transport = createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1" });
    const client = createClient(AccessService, transport);
    await expect(client.whoAmI({})).rejects.toMatchObject({ code: Code.Unauthenticated });
    await expect(client.whoAmI({}, { headers: authorized(wrong) })).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
    expect(await client.whoAmI({}, { headers: authorized(secret) })).toMatchObject({ subject: "the robot" });
  });

  const overHttp: [Protocol, string?][] = [["connect"], ["grpc-web"], ["ttrpc"]];
  const overTcp: [Protocol, string?][] = [
    ["ttrpc", "tcp:"],
    ["grpc", "tcp:"],
  ];

  test.each(runtime === "Node" ? [...overHttp, ...overTcp] : overHttp)(
    "knows a client with a token over %s",
    async (...route) => {
      const [protocol, scheme] = route;
      const address = scheme === undefined ? server.url : server.url.replace("http://", scheme);
      const options = { require: { protocols: [protocol] } };
      await using connection = await connect(address, { ...options, token: secret });
      expect(connection.manifest?.name).toBe("guarded");
      expect(await connection.client(AccessService).whoAmI({})).toMatchObject({ subject: "the robot" });
    },
  );

  test.each(
    runtime === "Node" ? [...overHttp, ...overTcp, [undefined], [undefined, "tcp:"]] : [...overHttp, [undefined]],
  )(
    "lets a client without a token call what is public, and tells it to give one for the rest, over %s",
    async (...route) => {
      const [protocol, scheme] = route as [Protocol?, string?];
      const address = scheme === undefined ? server.url : server.url.replace("http://", scheme);
      const options = protocol === undefined ? {} : { require: { protocols: [protocol] } };
      const refused = {
        errorCode: "PB-CALLER-REFUSED",
        code: Code.Unauthenticated,
        hint: expect.stringContaining("a `token`"),
      };
      await using connection = await connect(address, options);
      expect(connection.manifest).toBeUndefined();
      expect(await connection.client(AccessService).greet({})).toMatchObject({ subject: "" });
      await expect(connection.client(AccessService).whoAmI({})).rejects.toMatchObject(refused);
      if (connection.routes.bidi_streaming.routes.length > 0) {
        const purging = Array.fromAsync(connection.client(AccessService).purge((async function* () {})()));
        await expect(purging).rejects.toMatchObject(refused);
      }
      const withWrong = async () => {
        await using known = await connect(address, { ...options, token: wrong });
        return await known.client(AccessService).greet({});
      };
      await expect(withWrong()).rejects.toMatchObject(refused);
    },
  );
});

describe.each(runtimes)("a plugin with a function that knows its callers in %s", (_, start) => {
  let server: GuardedServer;
  beforeAll(async () => {
    server = await start({ AUTH: "function" });
  }, 60_000);
  afterAll(() => server?.stop());

  function post(user: string | undefined, method = "WhoAmI") {
    return fetch(`${server.url}${service}/${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(user && { "X-User": user }) },
      body: "{}",
    });
  }

  async function call(user: string | undefined, method = "WhoAmI") {
    const response = await post(user, method);
    return { status: response.status, body: await response.json() };
  }

  test("gives it headers and peer, and the handler what it returns", async () => {
    const { body } = await call("ann");
    expect(body).toMatchObject({
      subject: expect.stringMatching(/^ann at (?:127\.0\.0\.1|::1)$/),
      scopes: ["notes.write", "notes.admin"],
    });
    expect((await call("ann", "Write")).status).toBe(200);
  });

  test("refuses whom it does not know, but for public methods", async () => {
    expect((await call(undefined)).status).toBe(401);
    expect((await call(undefined, "Write")).status).toBe(401);
    expect((await call(undefined, "Greet")).status).toBe(200);
  });

  test("says to a caller which scopes a method requires that it lacks", async () => {
    const response = await post("bob", "Write");
    expect(response.status).toBe(403);
    expect(response.headers.get("WWW-Authenticate")).toBe('Bearer error="insufficient_scope", scope="notes.write"');
    expect(await response.json()).toEqual({
      code: "permission_denied",
      message: "the caller lacks the scope notes.write",
    });
  });

  test("refuses in the words of the function", async () => {
    expect(await call("banned")).toEqual({
      status: 403,
      body: { code: "permission_denied", message: "banned until Monday" },
    });
    await vi.waitFor(async () => expect(await server.log()).toContain('"reason":"refused"'));
  });

  test.each(["broken", "false"])("lets no one in if the function is %s, and does not say why", async (user) => {
    for (const method of ["WhoAmI", "Greet"]) {
      expect(await call(user, method)).toEqual({ status: 500, body: { code: "internal", message: "internal error" } });
    }
    await vi.waitFor(async () => expect(await server.log()).toContain('"reason":"auth_failed"'));
  });
});
