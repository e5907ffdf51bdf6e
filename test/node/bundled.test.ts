import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStandalone } from "../support/standalone.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bundled-"));
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Asks for a WebSocket; gives the status of the response. */
function upgrade(port: number): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": `${"A".repeat(22)}==`,
    "Sec-WebSocket-Protocol": "plugboard.ttrpc.v1",
  };
  const request = http.request({ host: "127.0.0.1", port, headers, agent: false });
  request.on("upgrade", ({ statusCode }, socket) => {
    socket.destroy();
    resolve(statusCode);
  });
  request.on("response", ({ statusCode }) => resolve(statusCode));
  request.on("error", reject).end();
  return promise;
}

test.each([
  ["split into ES modules", { format: "esm", splitting: true }],
  ["in one minified ES module", { format: "esm", splitting: false, minify: true }],
  ["in CommonJS, as the docs have it", { format: "cjs", splitting: false, outExtension: { ".js": ".cjs" } }],
] as const)("a plugin that was bundled, %s, opens WebSockets, and lives on", async (name, options) => {
  const outdir = join(folder, name.replaceAll(/\W/g, "-"));
  await build({
    stdin: {
      contents: `
        import { definePlugin } from "plugboard";
        import { serve } from "plugboard/node";
        void serve(definePlugin({ name: "small", version: "1.0.0", routes() {} }));`,
      resolveDir: process.cwd(),
      sourcefile: "serve.ts",
      loader: "ts",
    },
    conditions: ["plugboard-source"],
    bundle: true,
    platform: "node",
    outdir,
    logLevel: "silent",
    ...options,
  });
  const file = join(outdir, options.format === "cjs" ? "stdin.cjs" : "stdin.js");
  const { address, stop } = await startStandalone(["node", file], "tcp:127.0.0.1:0");
  const port = Number(address.split(":").at(-1));
  expect(await upgrade(port)).toBe(101);
  expect(await upgrade(port)).toBe(101);
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  await stop("SIGKILL");
});
