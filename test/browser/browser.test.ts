import { existsSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorker } from "../support/local-worker.ts";
import { startStandalone } from "../support/standalone.ts";
import type { calls } from "./calls.ts";
import type { Report, StrangerReport } from "./page.ts";
import type { PageServer } from "./page-server.ts";
import { bundlePage, bundleScript, startPageServer } from "./page-server.ts";

const executablePath = "/usr/bin/chromium";

/** The functions that page.ts gives a page. */
interface PageFunctions {
  overTheWeb(url: string): Promise<Report>;
  overAPort(): Promise<Report>;
  strangerAt(url: string): Promise<StrangerReport>;
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
    [friend, stranger] = await Promise.all([startPages(), startPages()]);
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    friend?.close();
    stranger?.close();
  });

  const run = async <T>(address: string, run: (page: Page) => Promise<T>): Promise<T> => {
    const page = await browser.newPage();
    try {
      await page.goto(address);
      return await run(page);
    } finally {
      await page.close();
    }
  };
  describe.each([
    {
      server: "a Worker",
      /** workerd takes a closed connection for a caller that still waits. */
      hearsUnaryAbort: false,
      async start(): Promise<Server> {
        const { url, stop } = await startWorker("test/browser/worker.ts", { PAGE_ORIGIN: friend.origin });
        return { url, stop };
      },
    },
    {
      server: "a plugin process",
      hearsUnaryAbort: true,
      async start(): Promise<Server> {
        const command = ["node", "--conditions=plugboard-source", "test/browser/serve.ts"] as const;
        const plugin = await startStandalone(command, "tcp:127.0.0.1:0", { PAGE_ORIGIN: friend.origin });
        return { url: plugin.address.replace("tcp:", "http://"), stop: plugin.stop };
      },
    },
  ])("and $server", ({ hearsUnaryAbort, start }) => {
    let server: Server;
    let url: string;
    let page: Page;
    beforeAll(async () => {
      server = await start();
      url = server.url;
      page = await browser.newPage();
      await page.goto(friend.origin);
    }, 60_000);
    afterAll(async () => {
      await page?.close();
      await server?.stop();
    });
    const friendCalls = <Name extends keyof Calls>(name: Name, ...args: Parameters<Calls[Name]>) =>
      callIn(page, name, ...args);

    test("calls over Connect, and previews live over a WebSocket", async () => {
      const seen = await page.evaluate((at) => (globalThis as unknown as PageFunctions).overTheWeb(at), url);
      expect(seen).toEqual(overTheWeb);
    });

    test.each(["connect", "grpc-web", "ttrpc"] as const)(
      "sees the first message of a stream over %s before the fifth is sent",
      async (protocol) => {
        const { sentAtFirst, messages } = await friendCalls("firstOfMany", url, protocol);
        expect(sentAtFirst).toBeGreaterThanOrEqual(1);
        expect(sentAtFirst).toBeLessThan(5);
        expect(messages).toEqual([1, 2, 3, 4, 5]);
      },
    );

    test("sees the response to its first message on a WebSocket before it sends the fifth", async () => {
      const log = await friendCalls("converse", url, undefined);
      expect(log.indexOf("saw 1")).toBeLessThan(log.indexOf("sent 5"));
      expect(log.filter((each) => each.startsWith("saw"))).toEqual(["saw 1", "saw 2", "saw 3", "saw 4", "saw 5"]);
    });

    test.each(["connect", "grpc-web", "ttrpc"] as const)(
      "aborts a stream over %s, for the handler too",
      async (protocol) => {
        expect(await friendCalls("abortStream", url, protocol)).toEqual({ code: Code.Canceled, aborted: true });
      },
    );

    test("aborts a conversation, for the handler too", async () => {
      expect(await friendCalls("abortConversation", url, "ttrpc")).toEqual({ code: Code.Canceled, aborted: true });
    });

    test.each(hearsUnaryAbort ? (["connect", "grpc-web", "ttrpc"] as const) : (["ttrpc"] as const))(
      "aborts a unary call over %s, for the handler too",
      async (protocol) => {
        expect(await friendCalls("abortUnary", url, protocol)).toEqual({ code: Code.Canceled, aborted: true });
      },
    );

    test.each(["connect", "grpc-web", "ttrpc"] as const)(
      "ends its stream over %s, for the handler too, when it is closed",
      async (protocol) => {
        const id = crypto.randomUUID();
        await run(friend.origin, (page) => callIn(page, "begin", url, protocol, id));
        expect(await friendCalls("ending", url, id)).toEqual({ aborted: true });
      },
    );

    test.each(["connect", "grpc-web"] as const)("learns over %s that its request is too long", async (protocol) => {
      expect(await friendCalls("tooLong", url, protocol)).toMatchObject({
        code: Code.ResourceExhausted,
        message: "the request's body is longer than 1048576 bytes",
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
    });

    test.each(["connect", "grpc-web", "ttrpc"] as const)(
      "reads code, message, details, Retry-After and the request id of an error over %s",
      async (protocol) => {
        const error = { code: Code.ResourceExhausted, details: ["a detail"], retryAfter: "7" };
        const named = { ...error, requestId: "page-1" };
        expect(await friendCalls("errors", url, protocol, "page-1")).toEqual({
          unary: { ...named, message: "grüße" },
          stream: { ...named, message: "as asked" },
        });
        const unnamed = { ...error, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) };
        expect(await friendCalls("errors", url, protocol, undefined)).toEqual({
          unary: { ...unnamed, message: "grüße" },
          stream: { ...unnamed, message: "as asked" },
        });
      },
    );

    test.each(["connect", "grpc-web"] as const)("reads the request id of a response over %s", async (protocol) => {
      expect(await friendCalls("requestIdOf", url, protocol)).toMatch(/^[0-9a-f-]{36}$/);
    });

    test("gets a response from the browser's cache when a side-effect-free call is made again and may be kept", async () => {
      const seen = await friendCalls("askTwice", url, `max-age=60 ${crypto.randomUUID()}`, [{}, {}]);
      expect(seen).toEqual({ responses: ["asked 1 times", "asked 1 times"], asked: 1 });
    });

    test("asks again if the plugin does not say that a response may be kept", async () => {
      const seen = await friendCalls("askTwice", url, crypto.randomUUID(), [{}, {}]);
      expect(seen).toEqual({ responses: ["asked 1 times", "asked 2 times"], asked: 2 });
    });

    test("is not given what was kept for someone else", async () => {
      const seen = await friendCalls("askTwice", url, `max-age=60 ${crypto.randomUUID()}`, [
        { Authorization: "Bearer one" },
        { Authorization: "Bearer two" },
      ]);
      expect(seen).toEqual({ responses: ["asked 1 times", "asked 2 times"], asked: 2 });
    });

    test("sends no header that a preflight would be refused for in some browser", async () => {
      expect(await friendCalls("headersSent", url)).toEqual([
        "connect-protocol-version",
        "connect-timeout-ms",
        "content-type",
        "grpc-timeout",
        "x-grpc-web",
        "x-user-agent",
      ]);
    });

    test("asks before a call only once", async () => {
      const requests = await run(friend.origin, async (page) => {
        const requests = await watchRequests(page);
        for (let call = 0; call < 3; call++) {
          await callIn(page, "errors", url, "connect", undefined);
        }
        return requests;
      });
      const toFail = requests.filter((each) => each.url.endsWith("/Fail")).map(({ method }) => method);
      expect(toFail.sort()).toEqual(["OPTIONS", "POST", "POST", "POST"]);
    });

    test("keeps the manifest for a while", async () => {
      const requests = await run(friend.origin, async (page) => {
        const requests = await watchRequests(page);
        for (let connection = 0; connection < 2; connection++) {
          await callIn(page, "requestIdOf", url, "connect");
        }
        return requests;
      });
      const gets = requests.filter((each) => each.method === "GET" && each.url.includes("/Describe?"));
      expect(gets.map(({ cached }) => cached)).toEqual([false, true]);
    });

    test("loads no more code for a unary call, and what a conversation needs with the first", async () => {
      const loaded = await run(friend.origin, async (page) => {
        const requests = await watchRequests(page);
        const scripts = () => requests.filter((each) => each.url.endsWith(".js")).length;
        await callIn(page, "requestIdOf", url, "connect");
        const forUnary = scripts();
        await callIn(page, "converse", url, undefined);
        const forConversation = scripts();
        await callIn(page, "converse", url, undefined);
        return { forUnary, forConversation, later: scripts() };
      });
      expect(loaded.forUnary).toBe(0);
      expect(loaded.forConversation).toBeGreaterThan(0);
      expect(loaded.later).toBe(loaded.forConversation);
    });

    test("can be a page that is isolated and has a strict policy", async () => {
      const strict = `${friend.origin}/strict?${new URLSearchParams({ connect: url })}`;
      const [isolated, seen] = await run(strict, async (page) => [
        await page.evaluate(() => crossOriginIsolated),
        await page.evaluate((at) => (globalThis as unknown as PageFunctions).overTheWeb(at), url),
      ]);
      expect(isolated).toBe(true);
      expect(seen).toEqual(overTheWeb);
    });

    test("can't, as a page of another origin", async () => {
      const seen = run(stranger.origin, (page) =>
        page.evaluate((at) => (globalThis as unknown as PageFunctions).strangerAt(at), url),
      );
      expect(await seen).toEqual({
        connect: "refused",
        webSocket: "refused",
        bareWebSocket: "refused",
        post: "refused",
        formPost: "refused",
      });
      // None of it has come to a handler.
      expect(await friendCalls("askTwice", url, "stranger", [{}, {}])).toEqual({
        responses: ["asked 1 times", "asked 2 times"],
        asked: 2,
      });
    });
  });

  test("is the console of a Worker, and calls its methods", async () => {
    const worker = await startWorker("test/browser/worker.ts");
    try {
      const page = await browser.newPage();
      const troubles: string[] = [];
      page.on("pageerror", (error) => troubles.push(String(error)));
      page.on("console", (message) => troubles.push(message.text()));
      await page.goto(worker.url);
      await page.selectOption("#method", "examples.markdown.v1.MarkdownService/Render");
      expect(await page.textContent("#title")).toBe("markdown 1.0.0");
      await page.fill("#request", JSON.stringify({ markdown: "# <script>hi" }));
      await page.click("button");
      await page.waitForFunction(() => document.querySelector("#response")?.textContent);
      expect(await page.textContent("#response")).toMatch(/^200 [0-9a-f-]{36}\n\{"html":/);
      expect(troubles).toEqual([]);
      await page.close();
    } finally {
      await worker.stop();
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

interface Server {
  readonly url: string;
  stop(): Promise<unknown>;
}

type Calls = typeof calls;

/** Runs one of the functions that calls.ts gives a page. */
async function callIn<Name extends keyof Calls>(
  page: Page,
  name: Name,
  ...args: Parameters<Calls[Name]>
): Promise<Awaited<ReturnType<Calls[Name]>>> {
  const returned = await page.evaluate(
    ([name, args]) => {
      // The page has them, and what they take and return is JSON.
      const { calls } = globalThis as unknown as { calls: Record<string, (...args: unknown[]) => unknown> };
      return calls[name]?.(...args);
    },
    [name, args] as const,
  );
  return returned as Awaited<ReturnType<Calls[Name]>>;
}

interface SeenRequest {
  readonly url: string;
  readonly method: string;
  /** The response came from the browser's cache. */
  cached: boolean;
}

/** What a page asks of the network from now on, preflights included, in the order in which it was asked. */
async function watchRequests(page: Page): Promise<readonly SeenRequest[]> {
  const requests = new Map<string, SeenRequest>();
  const inOrder: SeenRequest[] = [];
  const session = await page.context().newCDPSession(page);
  session.on("Network.requestWillBeSent", ({ requestId, request: { url, method } }) => {
    const request = { url, method, cached: false };
    requests.set(requestId, request);
    inOrder.push(request);
  });
  session.on("Network.responseReceived", ({ requestId, response }) => {
    const request = requests.get(requestId);
    if (request !== undefined) {
      request.cached = response.fromDiskCache ?? false;
    }
  });
  await session.send("Network.enable");
  return inOrder;
}

async function startPages(): Promise<PageServer> {
  const [page, worker] = await Promise.all([
    bundlePage(new URL("page.ts", import.meta.url)),
    bundleScript(new URL("web-worker.ts", import.meta.url), "worker"),
  ]);
  return startPageServer(new Map([...page, ["/web-worker.js", worker]]));
}
