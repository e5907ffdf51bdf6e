import { existsSync } from "node:fs";
import * as http from "node:http";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorker } from "../edge/local-worker.ts";
import { startStandalone } from "../node/standalone.ts";
import type { Report } from "./page.ts";

const executablePath = "/usr/bin/chromium";

/** The functions that page.ts gives a page. */
interface PageFunctions {
  overTheWeb(url: string): Promise<Report>;
  overAPort(): Promise<Report>;
  strangerAt(url: string): Promise<readonly string[]>;
}

const report = {
  html: "<h1>hi</h1>",
  headings: ["one", "two"],
  assembled: "<h1>assembled</h1>",
  preview: ["sent a", "saw 1 <p>a</p>", "sent b", "saw 2 <p>ab</p>", "sent c", "saw 3 <p>abc</p>"],
  aborted: Code.Canceled,
  afterAbort: "<p>still here</p>",
};
const overTheWeb = {
  ...report,
  routes: {
    unary: "http+connect",
    server_streaming: "http+connect",
    client_streaming: "websocket+ttrpc",
    bidi_streaming: "websocket+ttrpc",
  },
};

// In CI its absence is a failure; elsewhere these are skipped, by this name.
describe.skipIf(!existsSync(executablePath) && !process.env.CI)(`a page in Chromium (${executablePath})`, () => {
  let browser: Browser;
  let friend: PageServer;
  let stranger: PageServer;

  beforeAll(async () => {
    [friend, stranger] = await Promise.all([startPageServer(), startPageServer()]);
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    friend?.close();
    stranger?.close();
  });

  const run = async <T>(origin: string, run: (page: Page) => Promise<T>): Promise<T> => {
    const page = await browser.newPage();
    try {
      await page.goto(origin);
      return await run(page);
    } finally {
      await page.close();
    }
  };
  const use = (url: string) =>
    run(friend.origin, (page) => page.evaluate((at) => (globalThis as unknown as PageFunctions).overTheWeb(at), url));
  const intrude = (url: string) =>
    run(stranger.origin, (page) => page.evaluate((at) => (globalThis as unknown as PageFunctions).strangerAt(at), url));

  test("calls a Worker over Connect, and previews live over a WebSocket; a page of another origin can't", async () => {
    const worker = await startWorker("test/browser/worker.ts", { PAGE_ORIGIN: friend.origin });
    try {
      expect(await use(worker.url)).toEqual(overTheWeb);
      expect(await intrude(worker.url)).toEqual(["refused", "refused"]);
    } finally {
      await worker.stop();
    }
  }, 60_000);

  test("calls a plugin process in the same way", async () => {
    process.env.PAGE_ORIGIN = friend.origin;
    const command = ["node", "--conditions=plugboard-source", "test/browser/serve.ts"] as const;
    const plugin = await startStandalone(command, "tcp:127.0.0.1:0");
    const url = plugin.address.replace("tcp:", "http://");
    try {
      expect(await use(url)).toEqual(overTheWeb);
      expect(await intrude(url)).toEqual(["refused", "refused"]);
    } finally {
      await plugin.stop();
    }
  }, 60_000);

  test("calls a plugin in a Web Worker by a message port", async () => {
    const seen = await run(friend.origin, (page) =>
      page.evaluate(() => (globalThis as unknown as PageFunctions).overAPort()),
    );
    const carried = "message-port+ttrpc";
    const routes = { unary: carried, server_streaming: carried, client_streaming: carried, bidi_streaming: carried };
    expect(seen).toEqual({ ...report, routes });
  }, 60_000);
});

interface PageServer {
  readonly origin: string;
  close(): void;
}

async function startPageServer(): Promise<PageServer> {
  const scripts = new Map<string, string>();
  for (const [name, runtime] of [
    ["page", "browser"],
    ["web-worker", "worker"],
  ]) {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
      bundle: true,
      write: false,
      format: "esm",
      conditions: ["plugboard-source", runtime ?? "browser", "browser"],
    });
    scripts.set(`/${name}.js`, outputFiles[0]?.text ?? "");
  }
  const server = http.createServer((request, response) => {
    const script = scripts.get(request.url ?? "");
    response.setHeader("Content-Type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? '<!doctype html><script type="module" src="/page.js"></script>');
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  const address = server.address();
  return {
    origin: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
