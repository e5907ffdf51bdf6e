import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { getOption } from "@bufbuild/protobuf";
import { bearer, definePlugin, isPlugboardError, serveOn } from "plugboard";
import { edge } from "plugboard/edge";
import { connect, Host } from "plugboard/node";
import { expect, test } from "vitest";
import { public$, required_scopes } from "../../../src/gen/plugboard/access/v1/access_pb.ts";
import { accessRule } from "../../../src/policy/auth/access-rule.ts";
import { AccessService, ContradictoryService } from "../../gen/plugboard/test/v1/access_pb.ts";
import plugin from "../fixtures/plugin.ts";

const program = ["--conditions=plugboard-source", "test/policy/fixtures/serve.ts"];
const command = ["node", ...program] as const;

const contradictory = definePlugin({
  name: "contradictory",
  version: "1.0.0",
  routes: (router) => router.service(ContradictoryService, { contradict: () => ({}) }),
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

test("the rules are those in the contract", () => {
  for (const method of [...AccessService.methods, ...ContradictoryService.methods]) {
    expect(accessRule(method)).toEqual({
      public: getOption(method, public$),
      requiredScopes: getOption(method, required_scopes),
    });
  }
  expect(accessRule(AccessService.method.greet).public).toBe(true);
  expect(accessRule(AccessService.method.purge).requiredScopes).toEqual(["notes.write", "notes.admin"]);
});

test("at the edge, a plugin whose contract requires scopes is not served without auth", () => {
  const error = thrownBy(() => edge(plugin));
  expect(isPlugboardError(error, "PB-ACCESS-UNGUARDED")).toBe(true);
  expect(String(error)).toContain("plugboard.test.v1.AccessService/Write requires the scope notes.write");
});

test("a rule that contradicts itself is found before anybody calls", () => {
  const error = thrownBy(() => edge(contradictory, { auth: () => undefined }));
  expect(isPlugboardError(error, "PB-ACCESS-RULE")).toBe(true);
});

test.each(["tcp:127.0.0.1:0", "unix:"])("standing alone at %s, it does not start without auth", async (place) => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "access-test-"));
  const listen = place === "unix:" ? `unix:${join(folder.path, "p.sock")}` : place;
  const child = spawn("node", [...program, "--listen", listen], {
    env: { ...process.env, AUTH: "none" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [[code], said, printed] = await Promise.all([once(child, "exit"), text(child.stderr), text(child.stdout)]);
  expect(code).toBe(1);
  expect(said).toContain("PB-ACCESS-UNGUARDED");
  expect(printed).toBe("");
});

test("on a message port, it is not served without auth, and with a rule that contradicts itself not at all", async () => {
  const { port1, port2 } = new MessageChannel();
  await expect(serveOn(plugin, port1)).rejects.toMatchObject({ errorCode: "PB-ACCESS-UNGUARDED" });
  const auth = bearer("swordfish-0123456789", { subject: "the robot", scopes: ["notes.write"] });
  await expect(serveOn(contradictory, port1, { auth })).rejects.toMatchObject({ errorCode: "PB-ACCESS-RULE" });
  await using _served = await serveOn(plugin, port1, { auth });
  await using connection = await connect(port2, { token: "swordfish-0123456789" });
  expect(await connection.client(AccessService).write({})).toMatchObject({ calls: 1 });
});

test("standing alone on a Unix socket, callers need a token there, too", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "access-test-"));
  const address = `unix:${join(folder.path, "p.sock")}`;
  const child = spawn("node", [...program, "--listen", address], {
    env: { ...process.env, AUTH: "bearer", SECRETS: "swordfish-0123456789" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  await using unknown = await connect(address);
  await expect(unknown.client(AccessService).whoAmI({})).rejects.toMatchObject({ errorCode: "PB-CALLER-REFUSED" });
  await using connection = await connect(address, { token: "swordfish-0123456789" });
  expect(await connection.client(AccessService).whoAmI({})).toMatchObject({ subject: "the robot" });
  child.kill("SIGTERM");
  await once(child, "exit");
});

test.each(["none", "function"])("a host is trusted by the plugin that it has started with auth %s", async (auth) => {
  await using host = new Host();
  const loaded = await host.load({ command, env: { AUTH: auth } });
  expect(await loaded.client(AccessService).write({})).toMatchObject({ calls: 1 });
  expect(await loaded.client(AccessService).whoAmI({})).toMatchObject({ subject: "" });
});

test("a host that says for whom it calls is held to it", async () => {
  await using host = new Host();
  const loaded = await host.load({ command, env: { AUTH: "function" } });
  const client = loaded.client(AccessService);
  expect(await client.write({}, { headers: { "X-User": "ann" } })).toMatchObject({ calls: 1 });
  await expect(client.write({}, { headers: { "X-User": "bob" } })).rejects.toThrow("lacks the scope notes.write");
});

test("in the same process no one has to say who it is", async () => {
  await using connection = await connect(plugin);
  expect(await connection.client(AccessService).whoAmI({})).toMatchObject({ subject: "" });
});
