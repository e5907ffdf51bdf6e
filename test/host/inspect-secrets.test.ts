import type { Connection } from "plugboard";
import { bearer, connect, jwt, serveOn } from "plugboard";
import { edge } from "plugboard/edge";
import { Host } from "plugboard/node";
import { expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import markdown from "../../examples/markdown/plugin.ts";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";
import { allThatShows } from "../support/all-that-shows.ts";

const secret = "swordfish-0123456789-abcdefghijkl";

test("what checks tokens does not show its secrets", () => {
  expect(allThatShows(bearer(secret))).not.toContain(secret);
  expect(allThatShows(jwt({ secret, issuer: "https://issuer.test", audience: "plugins" }))).not.toContain(secret);
});

test("a Worker's app that checks tokens does not show its secrets", async () => {
  const app = edge(markdown, { auth: bearer(secret) });
  await app.fetch(new Request("https://markdown.test/", { headers: { Authorization: `Bearer ${secret}` } }));
  expect(allThatShows(app)).not.toContain(secret);
});

test("a host and a plugin that it has loaded show no token, no environment and no key", async () => {
  await using host = new Host();
  const loaded = await host.load({
    command: ["node", "--conditions=plugboard-source", "examples/markdown/serve.ts"],
    token: secret,
    env: { DATABASE_PASSWORD: secret },
  });
  expect(loaded.manifest?.name).toBe("markdown");
  for (const value of [host, loaded]) {
    const shown = allThatShows(value);
    expect(shown).not.toContain(secret);
    expect(shown).not.toMatch(/BEGIN (?:\w+ )?PRIVATE KEY/);
  }
});

test("a connection that failed with a client's key shows none of it in its error", async () => {
  const { certificate, key } = await createThrowawayCertificate();
  const options = { tls: { certificate, key, roots: certificate }, token: secret, dialTimeoutMs: 1_000 };
  const error: unknown = await connect("https://127.0.0.1:1", options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const shown = allThatShows(error);
  expect(error).toBeInstanceOf(Error);
  expect(shown).not.toContain(secret);
  expect(shown).not.toMatch(/BEGIN (?:\w+ )?PRIVATE KEY/);
});

/** Calls, so that all is there that a call leaves behind. */
async function expectNoSecret(connection: Connection): Promise<void> {
  const client = connection.client(MarkdownService);
  expect(await client.render({ markdown: "# hi" })).toMatchObject({ html: expect.stringContaining("<h1>hi</h1>") });
  for (const value of [connection, client]) {
    expect(allThatShows(value)).not.toContain(secret);
  }
}

test("a connection by a fetch of one's own, and its client, show no token", async () => {
  const app = edge(markdown, { auth: bearer(secret), observers: [] });
  const fetch = async (input: string | URL | Request, init?: RequestInit) => app.fetch(new Request(input, init));
  await using connection = await connect("https://markdown.test", { token: secret, fetch });
  await expectNoSecret(connection);
});

test("a connection to a plugin in this process, and its client, show nothing of its environment", async () => {
  await using connection = await connect(markdown, { env: { DATABASE_PASSWORD: secret } });
  await expectNoSecret(connection);
});

test("a plugin that is served on a port, and a connection to it, show no token and no environment", async () => {
  const { port1, port2 } = new MessageChannel();
  await using served = await serveOn(markdown, port1, { auth: bearer(secret), env: { DATABASE_PASSWORD: secret } });
  await using connection = await connect(port2, { token: secret });
  await expectNoSecret(connection);
  expect(allThatShows(served)).not.toContain(secret);
});
