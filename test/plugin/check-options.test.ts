import { MessageChannel } from "node:worker_threads";
import { accessLog, bearer, connect, definePlugin, jwt, memoryRateLimit, serveOn, sharedRateLimit } from "plugboard";
import { bindingRateLimit, edge } from "plugboard/edge";
import { Host } from "plugboard/node";
import { expect, test } from "vitest";
import { checkCookie } from "../../src/go-plugin/handshake.ts";
import { trustProxy } from "../../src/node/trusted-proxy.ts";

const plugin = definePlugin({ name: "sample", version: "1.0.0", routes: () => undefined });
// What types forbid, a program without types may do all the same.
const misspelt = (options: object) => options as never;
const secret = "0123456789abcdef0123456789abcdef";

async function load(options: object) {
  await using host = new Host();
  await host.load({ command: ["nothing"], ...options });
}

async function reattach(options: object) {
  await using host = new Host();
  await host.reattach({ pid: process.pid, address: "unix:/nowhere" }, misspelt(options));
}

async function overPort(options: object) {
  const { port1, port2 } = new MessageChannel();
  try {
    await serveOn(plugin, port1, misspelt(options));
  } finally {
    port2.close();
  }
}

test.each<[string, () => unknown, string]>([
  ["definePlugin", () => definePlugin(misspelt({ name: "a", version: "1.0.0", routs: () => undefined })), "`routes`"],
  ["connect", () => connect(plugin, misspelt({ tokn: "x" })), "`token`"],
  ["connect, in require,", () => connect(plugin, misspelt({ require: { protocol: ["grpc"] } })), "`protocols`"],
  ["connect, in tls,", () => connect(plugin, misspelt({ tls: { root: "x" } })), "`roots`"],
  ["edge", () => edge(plugin, misspelt({ orgins: [] })), "`origins`"],
  ["edge, with a name like no other,", () => edge(plugin, misspelt({ nope: 1 })), "It has limits, rateLimit"],
  ["serveOn", () => overPort({ gracePeriod: 1 }), "`gracePeriodMs`"],
  ["serveOn, in limits,", () => overPort({ limits: { maxMessageByte: 1 } }), "`maxMessageBytes`"],
  ["serveOn, in authFailureLimit,", () => overPort({ authFailureLimit: { perSecnd: 1, burst: 1 } }), "`perSecond`"],
  ["serveOn, in audit,", () => overPort({ audit: { writ: () => undefined } }), "`write`"],
  ["new Host", () => new Host(misspelt({ gracePeriod: 1 })), "`gracePeriodMs`"],
  ["load", () => load({ confg: {} }), "`config`"],
  ["load, without a command,", () => load({ command: undefined, comand: ["nothing"] }), "`command`"],
  ["load, in handshake,", () => load({ handshake: { cokie: {} } }), "`cookie`"],
  ["load, in require,", () => load({ require: { encrypted: true } }), "`encryption`"],
  ["load, in tls,", () => load({ tls: { serverNme: "x" } }), "`serverName`"],
  ["reattach", () => reattach({ timeout: 1 }), "`timeoutMs`"],
  ["jwt", () => jwt(misspelt({ secret, issuer: "a", audiense: "b" })), "`audience`"],
  ["bearer", () => bearer(secret, misspelt({ scope: [] })), "`scopes`"],
  ["memoryRateLimit", () => memoryRateLimit(misspelt({ perSeconds: 1, burst: 1 })), "`perSecond`"],
  ["sharedRateLimit", () => sharedRateLimit(misspelt({ store: "a database", perSecond: 1, bursts: 1 })), "`burst`"],
  ["bindingRateLimit", () => bindingRateLimit("A", misspelt({ periodSecond: 10 })), "`periodSeconds`"],
  ["accessLog", () => accessLog(misspelt({ wirte: () => undefined })), "`write`"],
  ["behindProxy", () => trustProxy(misspelt({ form: [] })), "`from`"],
  ["a cookie", () => checkCookie(misspelt({ key: "A", valeu: "b" })), "`value`"],
])("%s refuses a misspelt option with the nearest name", async (_what, run, hint) => {
  await expect((async () => run())()).rejects.toMatchObject({
    errorCode: "PB-OPTION-UNKNOWN",
    hint: expect.stringContaining(hint),
  });
});
