import { edge, webSockets } from "plugboard/edge";
import { expect, test } from "vitest";
import plugin from "../behaviour/plugin.ts";

const app = edge(plugin, { hosts: ["notes.test"], observers: [], webSockets });

async function statusFor(host: string, init: RequestInit = {}): Promise<number> {
  const path = init.headers === undefined ? "/plugboard.test.v1.BehaviourService/Echo" : "/";
  const echo = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
  const response = await app.fetch(new Request(`https://${host}${path}`, init.headers === undefined ? echo : init));
  return response.status;
}

test("requests for other hosts get 421, and so do WebSockets", async () => {
  const upgrade = { headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": "plugboard.ttrpc.v1" } };
  expect(await statusFor("notes.test")).toBe(200);
  expect(await statusFor("notes.test:8443")).toBe(200);
  expect(await statusFor("localhost:8787")).toBe(200);
  expect(await statusFor("evil.test")).toBe(421);
  expect(await statusFor("notes.test", upgrade)).toBe(101);
  expect(await statusFor("evil.test", upgrade)).toBe(421);
});

test("what is no host is refused at once", () => {
  expect(() => edge(plugin, { hosts: ["https://notes.test"] })).toThrow("PB-HOST-INVALID");
});
