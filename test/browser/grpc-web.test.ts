import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorker } from "../support/local-worker.ts";
import { startStandalone } from "../support/standalone.ts";
import type { PageServer } from "./page-server.ts";
import { bundleScript, startPageServer } from "./page-server.ts";

const executablePath = "/usr/bin/chromium";
const library = new URL("../peers/grpc-web/node_modules/grpc-web/", import.meta.url);
const lacks = !(existsSync(executablePath) && existsSync(library)) && process.env.CI === undefined;

/** The report of page.mjs. */
interface Report {
  readonly echoed: string;
  readonly errors: readonly string[];
  readonly streamed: { readonly indices: readonly number[]; readonly end: unknown };
  readonly failed: { readonly indices: readonly number[]; readonly end: unknown };
}

describe.skipIf(lacks)(`grpc-web in Chromium (${executablePath}), for which \`npm run peers\` has to have run`, () => {
  let browser: Browser;
  let pages: PageServer;
  let page: Page;
  beforeAll(async () => {
    const script = await bundleScript(new URL("../peers/grpc-web/page.mjs", import.meta.url));
    pages = await startPageServer(new Map([["/page.js", script]]));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    page = await browser.newPage();
    await page.goto(pages.origin);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    pages?.close();
  });

  describe.each([
    {
      server: "a Worker",
      async start() {
        const { url, stop } = await startWorker("test/browser/behaviour-worker.ts", { PAGE_ORIGIN: pages.origin });
        return { url, stop };
      },
    },
    {
      server: "a plugin process",
      async start() {
        const command = ["node", "--conditions=plugboard-source", "test/browser/behaviour-serve.ts"] as const;
        const { address, stop } = await startStandalone(command, "tcp:127.0.0.1:0", { PAGE_ORIGIN: pages.origin });
        return { url: address.replace("tcp:", "http://"), stop };
      },
    },
  ])("calls $server", ({ start }) => {
    let server: { readonly url: string; stop(): Promise<unknown> };
    beforeAll(async () => {
      server = await start();
    }, 60_000);
    afterAll(() => server?.stop());

    test.each(["text", "binary"])("in the format %s", async (format) => {
      const report: Report = await page.evaluate(
        ([url, format]) => (globalThis as unknown as { callByGrpcWeb: CallByGrpcWeb }).callByGrpcWeb(url, format),
        [server.url, format] as const,
      );
      expect(report.echoed).toBe("grüße 100000 true");
      expect(report.errors).toEqual(Array.from({ length: 16 }, (_, index) => `${index + 1} grüße`));
      expect(report.streamed).toEqual({ indices: Array.from({ length: 20 }, (_, index) => index), end: "ok" });
      expect(report.failed).toEqual({ indices: [0, 1, 2], end: 9 });
    });
  });
});

type CallByGrpcWeb = (url: string, format: string) => Promise<Report>;
