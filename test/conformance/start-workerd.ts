import { unstable_startWorker } from "wrangler";

/** A Worker in workerd that has the network to itself. */
export interface NetworkedWorker extends AsyncDisposable {
  readonly url: URL;
}

/** Starts one. What wrangler's test harness starts has Node's fetch in the place of its own. */
export async function startNetworkedWorker(entrypoint: string): Promise<NetworkedWorker> {
  const worker = await unstable_startWorker({
    name: "networked",
    entrypoint,
    compatibilityDate: "2026-11-17",
    compatibilityFlags: ["no_nodejs_compat"],
    build: { alias: { plugboard: "./src/index.ts" }, nodejsCompatMode: null },
    dev: { server: { hostname: "127.0.0.1", port: 0 }, inspector: false, watch: false, logLevel: "error" },
  });
  return { url: await worker.url, [Symbol.asyncDispose]: () => worker.dispose() };
}
