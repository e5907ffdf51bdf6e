import * as http from "node:http";
import { build } from "esbuild";

/** Serves pages to a browser. */
export interface PageServer {
  readonly origin: string;
  close(): void;
}

/** Bundles a script for a page or a worker. */
export async function bundleScript(entry: URL, runtime = "browser"): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry.pathname],
    bundle: true,
    write: false,
    format: "esm",
    conditions: ["plugboard-source", runtime, "browser"],
  });
  return outputFiles[0]?.text ?? "";
}

/** Bundles the script of a page, /page.js, and what that loads when it needs it. */
export async function bundlePage(entry: URL): Promise<ReadonlyMap<string, string>> {
  const { outputFiles } = await build({
    entryPoints: { page: entry.pathname },
    bundle: true,
    splitting: true,
    write: false,
    format: "esm",
    outdir: "/",
    conditions: ["plugboard-source", "browser"],
  });
  return new Map(outputFiles.map(({ path, text }) => [path, text]));
}

/**
 * Starts a server of scripts, and of a page that runs /page.js at every other path. With `?connect=URL` the page may do no more
 * than connect there.
 */
export async function startPageServer(scripts: ReadonlyMap<string, string>): Promise<PageServer> {
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://page");
    const script = scripts.get(pathname);
    const mayConnect = searchParams.get("connect");
    if (mayConnect !== null) {
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      const sources = `${mayConnect} ${mayConnect.replace("http:", "ws:")}`;
      response.setHeader(
        "Content-Security-Policy",
        `default-src 'none'; script-src 'self'; connect-src ${sources}; require-trusted-types-for 'script'`,
      );
    }
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
