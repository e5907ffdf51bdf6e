import { inspect } from "node:util";
import { bearer, connect, jwt } from "plugboard";
import { edge } from "plugboard/edge";
import { Host } from "plugboard/node";
import { expect, test } from "vitest";
import markdown from "../../examples/markdown/plugin.ts";
import { createThrowawayCertificate } from "../../src/node/tls/throwaway-certificate.ts";

const secret = "swordfish-0123456789-abcdefghijkl";

/** All that is to be seen of a value, by whatever writes values into a log. */
function allThatShows(value: unknown): string {
  const shown = inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxArrayLength: null });
  return `${shown}\n${json(value)}\n${String(value)}`;
}

/** A circular value can't be written as JSON. */
function json(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return undefined;
  }
}

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
