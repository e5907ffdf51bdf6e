import { spawn } from "node:child_process";
import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { createClient } from "@connectrpc/connect";
import type { ServeOptions } from "plugboard/node";
import { connect } from "plugboard/node";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { trustProxy } from "../../../src/node/trusted-proxy.ts";
import { webSocketCarrier } from "../../../src/ttrpc/carriers/websocket.ts";
import { createTtrpcClient } from "../../../src/ttrpc/client/client.ts";
import { AccessService } from "../../gen/plugboard/test/v1/access_pb.ts";
import { makeCertificate } from "../../support/tls/certificates.ts";

const path = "/plugboard.test.v1.AccessService/WhoAmI";

/** Starts a plugin that listens on the network; its port, or what it has said instead. */
async function start(listen: string, options: Partial<ServeOptions>, env: NodeJS.ProcessEnv = {}) {
  const program = ["--conditions=plugboard-source", "test/plugin-process/fixtures/on-network.ts", "--listen", listen];
  const child = spawn("node", program, {
    env: { ...process.env, SERVE_OPTIONS: JSON.stringify(options), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = text(child.stderr);
  const [line] = await Promise.race([once(createInterface(child.stdout), "line"), once(child, "exit")]);
  const port = Number(/ listens on tcp:.*:(\d+)$/.exec(String(line))?.[1]);
  return {
    port,
    /** Its output when it has ended. */
    async said() {
      child.kill("SIGTERM");
      return said;
    },
  };
}

/** Asks over HTTP/1.1 whom the plugin takes the caller for. */
async function whoAmI(port: number, headers: http.OutgoingHttpHeaders, localAddress = "127.0.0.1") {
  const request = http.request({ host: "127.0.0.1", port, path, method: "POST", localAddress, agent: false });
  request.setHeader("Content-Type", "application/json");
  request.setHeader("X-User", "ann");
  for (const [name, value] of Object.entries(headers)) {
    request.setHeader(name, value ?? "");
  }
  request.end("{}");
  const [response] = await once(request, "response");
  const body = await text(response);
  return response.statusCode === 200 ? JSON.parse(body).subject : response.statusCode;
}

const anyHost = { hosts: ["*"] };

test("a plugin with TLS and auth listens on the network, and says what it lacks", async () => {
  const { certificate, key } = await makeCertificate();
  const server = await start("tcp:0.0.0.0:0", { tls: { certificate, key } });
  await using connection = await connect(`tcp:localhost:${server.port}`, {
    tls: { roots: certificate },
    interceptors: [
      (next) => (request) => {
        request.header.set("X-User", "ann");
        return next(request);
      },
    ],
  });
  expect(await connection.client(AccessService).whoAmI({})).toMatchObject({ subject: "ann at 127.0.0.1" });
  expect(await server.said()).toContain("it listens on the network without `hosts`");
});

test.each<[string, Partial<ServeOptions>, NodeJS.ProcessEnv]>([
  ["with auth and without TLS", {}, {}],
  ["with neither", {}, { AUTH: "none" }],
])("a plugin %s does not listen on the network", async (_, options, env) => {
  const server = await start("tcp:0.0.0.0:0", options, env);
  expect(await server.said()).toContain("PB-LISTEN-INSECURE");
});

test("a plugin with TLS and without auth does not listen on the network", async () => {
  const { certificate, key } = await makeCertificate();
  const server = await start("tcp:0.0.0.0:0", { tls: { certificate, key } }, { AUTH: "none" });
  expect(await server.said()).toContain("PB-LISTEN-INSECURE");
});

test("a plugin behind a proxy knows callers by what the proxy says, and believes no one else", async () => {
  const { port } = await start("tcp:0.0.0.0:0", { ...anyHost, behindProxy: { from: ["127.0.0.1", "10.0.0.0/8"] } });
  const saying = (value: string) => whoAmI(port, { "X-Forwarded-For": value });
  expect(await saying("198.51.100.7")).toBe("ann at 198.51.100.7");
  expect(await saying("203.0.113.1, 198.51.100.7")).toBe("ann at 198.51.100.7");
  expect(await saying("198.51.100.7, 10.1.2.3")).toBe("ann at 198.51.100.7");
  expect(await saying("198.51.100.7:4711")).toBe("ann at 198.51.100.7");
  expect(await saying("2001:db8::1")).toBe("ann at 2001:db8::1");
  expect(await saying("203.0.113.1, not-an-address")).toBe("ann at 127.0.0.1");
  expect(await whoAmI(port, { Forwarded: "for=198.51.100.7", "X-Real-IP": "198.51.100.7" })).toBe("ann at 127.0.0.1");
  expect(await whoAmI(port, { "X-Forwarded-For": "198.51.100.7" }, "127.0.0.2")).toBe("ann at 127.0.0.2");
});

test("a proxy may say it in Forwarded", async () => {
  const { port } = await start("tcp:127.0.0.1:0", { behindProxy: { from: ["127.0.0.1"], header: "Forwarded" } });
  const saying = (value: string) => whoAmI(port, { Forwarded: value });
  expect(await saying('for=203.0.113.1;proto=https, for="[2001:db8::1]:4711";by=10.0.0.1')).toBe("ann at 2001:db8::1");
  expect(await saying('for="198.51.100.7:80"')).toBe("ann at 198.51.100.7");
  expect(await saying("for=198.51.100.7, for=_hidden")).toBe("ann at 127.0.0.1");
  expect(await saying("for=203.0.113.1, proto=http;For=[2001:db8::1]:80; host=notes.test:80,")).toBe(
    "ann at 2001:db8::1",
  );
  expect(await saying('for="\\1\\98.51.100.7"')).toBe("ann at 198.51.100.7");
  expect(await saying(", for=198.51.100.7")).toBe("ann at 198.51.100.7");
  expect(await whoAmI(port, { "X-Forwarded-For": "198.51.100.7" })).toBe("ann at 127.0.0.1");
});

test.each([
  'for=203.0.113.1;x="',
  'for=203.0.113.1;x="\\',
  "for=203.0.113.1;x=\\",
  'for=203.0.113.1;x="y"z',
  'for="203.0.113.1',
  "for=203.0.113.1;for=203.0.113.2",
  "for=203.0.113.1;x",
  "for=203.0.113.1 x=y",
])("what a caller says in Forwarded before the proxy does, as %j, makes it no one else", async (said) => {
  const { clientOf } = trustProxy({ from: ["10.0.0.7"], header: "Forwarded" });
  for (const byProxy of ['for="[2001:db8::1]:80"', "for=198.51.100.7", 'for="198.51.100.7:80";host="notes.test"']) {
    expect(["10.0.0.7", "2001:db8::1", "198.51.100.7"]).toContain(
      clientOf("10.0.0.7", { forwarded: `${said}, ${byProxy}` }),
    );
  }
});

test.each(["X-Forwarded-For", "Forwarded"] as const)(
  "a long %s is read in no more steps than it has characters",
  async (header) => {
    // Each took minutes when a character cost as many steps as came before it.
    const { clientOf } = trustProxy({ from: ["10.0.0.7"], header });
    const units = ['\\"', " ", "\t ", ",", ";", "for=", '""', 'for="', "10.0.0.7,", "a=b;", "a", "[", "1.", ":1"];
    for (const unit of units) {
      const long = unit.repeat(400_000 / unit.length);
      for (const value of [
        long,
        `"${long}`,
        `for=${long}""x`,
        `for="${long}`,
        `a${long}x`,
        `for="${long}"x`,
        `[${long}`,
      ]) {
        expect(clientOf("10.0.0.7", { [header.toLowerCase()]: value })).toBe("10.0.0.7");
        expect(clientOf("203.0.113.5", { [header.toLowerCase()]: value })).toBe("203.0.113.5");
      }
    }
  },
);

test("a proxy's word counts for WebSockets, too", async () => {
  const { port } = await start("tcp:127.0.0.1:0", { behindProxy: { from: ["127.0.0.1"] } });
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, ["plugboard.ttrpc.v1"], {
    headers: { "X-Forwarded-For": "198.51.100.7", "X-User": "ann" },
  });
  await once(socket, "open");
  const open = async () => webSocketCarrier(socket, "client");
  const { knowing, close } = createTtrpcClient({ address: "ws:", maxMessageBytes: 1024, open });
  const reply = await createClient(AccessService, knowing({ extended: true })).whoAmI({});
  expect(reply.subject).toBe("ann at 198.51.100.7");
  close(new Error("done"));
});

test("only a proxy's connections are served without TLS, and those of this machine", () => {
  const { accepts } = trustProxy({ from: ["10.0.0.7", "2001:db8::/32", "192.0.2.0/24"] });
  const accepted = [
    "10.0.0.7",
    "::ffff:10.0.0.7",
    "2001:db8:1::2",
    "192.0.2.200",
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
  ];
  expect(accepted.filter((each) => !accepts(each))).toEqual([]);
  const others = ["10.0.0.8", "::ffff:10.0.0.8", "2001:db9::1", "192.0.3.1", undefined];
  expect(others.filter((each) => accepts(each))).toEqual([]);
});

test.each([[], ["proxy.test"], ["10.0.0.0/33"], ["10.0.0.0/"], ["10.0.0.0/8/8"], ["::1/-1"]].map((each) => [each]))(
  "behindProxy does not take %j",
  (from) => {
    expect(() => trustProxy({ from })).toThrow("PB-PROXY-INVALID");
  },
);

test("requests for other hosts get 421, over both versions of HTTP and for WebSockets", async () => {
  const { port } = await start("tcp:127.0.0.1:0", { hosts: ["Notes.test", "other.test:8443"] });
  const statuses: Record<string, unknown> = {};
  for (const Host of ["notes.test", "NOTES.TEST.", `notes.test:${port}`, "other.test:8443", `localhost:${port}`]) {
    statuses[Host] = await whoAmI(port, { Host });
  }
  expect(new Set(Object.values(statuses))).toEqual(new Set(["ann at 127.0.0.1"]));
  for (const Host of ["evil.test", "notes.test.evil.test", "other.test", "other.test:443", "10.0.0.1"]) {
    expect([Host, await whoAmI(port, { Host })]).toEqual([Host, 421]);
  }
  const session = http2.connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const over2 = async (authority: string) => {
    const headers = {
      ":authority": authority,
      ":method": "POST",
      ":path": path,
      "content-type": "application/json",
      "x-user": "ann",
    };
    const [{ ":status": status }] = await once(session.request(headers).end("{}"), "response");
    return status;
  };
  expect([await over2("notes.test"), await over2("evil.test")]).toEqual([200, 421]);
  const upgrade = async (Host: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, ["plugboard.ttrpc.v1"], { headers: { Host } });
    socket.on("error", () => undefined);
    const opened = await Promise.race([once(socket, "open"), once(socket, "unexpected-response")]);
    socket.terminate();
    return opened[1]?.statusCode;
  };
  expect([await upgrade("notes.test"), await upgrade("evil.test")]).toEqual([undefined, 421]);
});

test.each([
  ["in TLS", true],
  ["behind a proxy", false],
])("on the network requests over HTTP/2 for other hosts are refused, too, %s", async (_, secure) => {
  const { certificate, key } = await makeCertificate();
  const { port } = await start("tcp:0.0.0.0:0", {
    hosts: ["notes.test"],
    ...(secure ? { tls: { certificate, key } } : { behindProxy: { from: ["127.0.0.0/8"] } }),
  });
  const session = http2.connect(`http${secure ? "s" : ""}://127.0.0.1:${port}`, { rejectUnauthorized: false });
  onTestFinished(() => session.destroy());
  const ask = async (authority: string, contentType: string) => {
    const headers = { ":authority": authority, ":method": "POST", ":path": path, "content-type": contentType };
    const call = session.request({ ...headers, "x-user": "ann" }).end("{}");
    const [replied] = await once(call, "response");
    return [replied[":status"], replied["grpc-status"], await text(call)];
  };
  expect((await ask("notes.test", "application/json"))[0]).toBe(200);
  expect(await ask("evil.test", "application/json")).toEqual([
    421,
    undefined,
    '{"code":"permission_denied","message":"this server does not serve requests for this host"}',
  ]);
  expect(await ask("evil.test", "application/grpc")).toEqual([200, "7", ""]);
  expect(await ask("evil.test", "application/connect+json")).toEqual([
    200,
    undefined,
    expect.stringContaining('{"error":{"code":"permission_denied",'),
  ]);
});

test.each(["https://notes.test", "notes.test/", "", "a b", "notes.test:port"])(
  "%j is no host to serve",
  async (host) => {
    const server = await start("tcp:127.0.0.1:0", { hosts: [host] });
    expect(await server.said()).toContain("PB-HOST-INVALID");
  },
);
