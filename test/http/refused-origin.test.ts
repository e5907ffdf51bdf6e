import { definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, onTestFinished, test, vi } from "vitest";
import { listen } from "../../src/node/listen/listener.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";

const plugin = definePlugin({ name: "sample", version: "1.0.0", routes: () => undefined });
const preflight = {
  method: "OPTIONS",
  headers: { Origin: "https://page.example.com", "Access-Control-Request-Method": "POST" },
};
const line = "origin https://page.example.com is not allowed; add it to `origins`";

function collectLog() {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  onTestFinished(() => warn.mockRestore());
  return () => warn.mock.calls.filter(([text]) => String(text).includes(line));
}

test("the log of edge() names an origin whose preflight is refused, once in a while", async () => {
  const lines = collectLog();
  const app = edge(plugin, { origins: ["https://app.example.com"] });
  await app.request("/a.B/C", preflight);
  await app.request("/a.B/C", preflight);
  expect(lines()).toHaveLength(1);
});

test("the log of a process names an origin whose preflight is refused, once in a while", async () => {
  const lines = collectLog();
  const running = await startPlugin(plugin, { standardRoutes: [] });
  const listener = await listen(running, { carrier: "tcp", host: "127.0.0.1", port: 0 }, {});
  onTestFinished(() => listener.drain(0));
  const { address } = listener;
  const url = `http://127.0.0.1:${"port" in address ? address.port : 0}/a.B/C`;
  await (await fetch(url, preflight)).text();
  await (await fetch(url, preflight)).text();
  expect(lines()).toHaveLength(1);
});
