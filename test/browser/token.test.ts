import { once } from "node:events";
import { existsSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { describe, expect, test } from "vitest";
import { runtimes } from "../support/policy/guarded-server.ts";

const executablePath = "/usr/bin/chromium";
const token = "swordfish-0123456789";
const offered = `bearer.${Buffer.from(token).toString("base64url")}`;

/** The functions that token-page.ts gives a page. */
interface PageFunctions {
  knownAs(url: string, token: string): Promise<readonly string[]>;
  upgradedWith(url: string, protocols: string[]): Promise<string>;
}

// In CI its absence is a failure; elsewhere these are skipped, by this name.
describe.skipIf(!existsSync(executablePath) && !process.env.CI)(`a page in Chromium (${executablePath})`, () => {
  test.each(runtimes)(
    "is known by its token, also by a WebSocket, to a plugin in %s",
    async (_, start) => {
      await using pages = await servePage();
      const server = await start({ AUTH: "bearer", SECRETS: token, ORIGIN: pages.origin });
      const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
      try {
        const page = await browser.newPage();
        await page.goto(pages.origin);
        const knownAs = (secret: string) =>
          page.evaluate(
            ([url = "", given = ""]) => (globalThis as unknown as PageFunctions).knownAs(url, given),
            [server.url, secret],
          );
        expect(await knownAs(token)).toEqual(["the robot by http+connect", "the robot by websocket+ttrpc"]);
        expect(await knownAs(`${token}-wrong`)).toEqual(["refused", "refused"]);
        const upgradedWith = (...protocols: string[]) =>
          page.evaluate(
            ([url = "", ...given]) => (globalThis as unknown as PageFunctions).upgradedWith(url, given),
            [server.url, ...protocols],
          );
        expect(await upgradedWith("plugboard.ttrpc.v1", offered)).toBe("open as plugboard.ttrpc.v1");
        expect(await upgradedWith("plugboard.ttrpc.v1", `${offered}AAAA`)).toBe("refused");
        expect(await server.log()).not.toContain(token);
      } finally {
        await browser.close();
        await server.stop();
      }
    },
    60_000,
  );
});

async function servePage() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("token-page.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    conditions: ["plugboard-source", "browser"],
  });
  const server = http.createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? outputFiles[0]?.text : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // It listens on TCP.
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
