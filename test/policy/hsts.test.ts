import { once } from "node:events";
import * as https from "node:https";
import { definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import { listen } from "../../src/node/listen/listener.ts";
import { readServerTls } from "../../src/node/tls/credentials.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import type { Hsts } from "../../src/policy/hsts.ts";
import { makeCertificate } from "../support/tls/certificates.ts";

const plugin = definePlugin({ name: "empty", version: "1.0.0", routes() {} });

const rows: [Hsts | false | undefined, string | undefined][] = [
  [undefined, "max-age=63072000"],
  [{ maxAge: 300 }, "max-age=300"],
  [{ maxAge: 0, includeSubDomains: true }, "max-age=0; includeSubDomains"],
  [false, undefined],
];

test.each(rows)("hsts: %o sends %s over HTTPS, and nothing over HTTP, at the edge", async (hsts, value) => {
  const app = edge(plugin, hsts === undefined ? {} : { hsts });
  const sent = async (scheme: string) =>
    (await app.fetch(new Request(`${scheme}://plugin.example/healthz`))).headers.get("Strict-Transport-Security");
  expect(await sent("https")).toBe(value ?? null);
  expect(await sent("http")).toBeNull();
});

test.each(rows)("hsts: %o sends %s in TLS, from a process", async (hsts, value) => {
  const identity = await makeCertificate();
  const address = { carrier: "tcp", host: "127.0.0.1", port: 0 } as const;
  const listener = await listen(await startPlugin(plugin), address, { tls: await readServerTls(identity), hsts });
  const port = listener.address.carrier === "tcp" ? listener.address.port : 0;
  const options = { host: "localhost", port, path: "/healthz", ca: identity.certificate, agent: false };
  const [response] = await once(https.get(options), "response");
  expect(response.headers["strict-transport-security"]).toBe(value);
  response.resume();
  await listener.drain(0);
});

test.each([{ maxAge: -1 }, { maxAge: 1.5 }])("hsts: %o is refused", (hsts) => {
  expect(() => edge(plugin, { hsts })).toThrow("PB-LIMIT-INVALID");
});
