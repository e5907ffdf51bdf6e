import type { BuildOptions } from "esbuild";

/** The options with which wrangler bundles the Worker of wrangler.toml. */
export const workerBundle = {
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2024",
  // wrangler.toml has aliases in the first one's place.
  conditions: ["plugboard-source", "workerd", "worker", "browser"],
  define: { "process.env.NODE_ENV": '"production"', "navigator.userAgent": '"Cloudflare-Workers"' },
} as const satisfies BuildOptions;
