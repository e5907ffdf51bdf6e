/** The reasons for what targets.ts leaves out: what Workers and fetch can't do, shown without any code of ours. */
import { once } from "node:events";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { Server, Socket } from "node:net";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../support/tls/certificates.ts";
import type { NetworkedWorker } from "./start-workerd.ts";
import { startNetworkedWorker } from "./start-workerd.ts";

/** Listens for the length of a test. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
    await once(server, "close");
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("a Worker in workerd", () => {
  let worker: NetworkedWorker;
  beforeAll(async () => {
    worker = await startNetworkedWorker("test/conformance/bare-worker.ts");
  });
  afterAll(() => worker?.[Symbol.asyncDispose]());

  /** What its fetch makes of an address. */
  const reach = async (target: string) => {
    const response = await fetch(new URL(`/?${new URLSearchParams({ target })}`, worker.url));
    return { status: response.status, text: await response.text() };
  };

  test("is not served over HTTP/2", async () => {
    const socket = connect(Number(worker.url.port), worker.url.hostname);
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
    // A server of HTTP/2 would send its settings; here the connection just ends.
    expect(await text(socket)).toBe("");
  });

  test("has nothing to send trailers with, which gRPC needs", async () => {
    const { members } = await (await fetch(worker.url)).json();
    expect(members).toContain("headers");
    expect(members.filter((member: string) => /trailer/i.test(member))).toEqual([]);
  });

  test("calls by HTTP/1.1 alone", async () => {
    const server = http2.createServer((_request, response) => response.end());
    const sessions = once(server, "session");
    const port = await listen(server);
    const [{ status }] = await Promise.all([reach(`http://127.0.0.1:${port}`), sessions]);
    expect(status).toBe(502);
  });

  test("trusts no server but those with a certificate of the public roots, and can't be told others", async () => {
    const { certificate, key } = await makeCertificate();
    const server = https.createServer({ cert: certificate, key }, (_request, response) => response.end("hi"));
    const port = await listen(server);
    expect(await reach(`https://localhost:${port}`)).toMatchObject({ status: 502 });
  });
});

test("fetch of Node takes no roots to trust", async () => {
  const { certificate, key } = await makeCertificate();
  const server = https.createServer({ cert: certificate, key }, (_request, response) => response.end("hi"));
  const port = await listen(server);
  await expect(fetch(`https://localhost:${port}`)).rejects.toMatchObject({
    cause: { code: "DEPTH_ZERO_SELF_SIGNED_CERT" },
  });
});

test("fetch of Node speaks HTTP/1.1 alone where there is no TLS", async () => {
  const server = http2.createServer((_request, response) => response.end());
  const port = await listen(server);
  await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow("fetch failed");
});
