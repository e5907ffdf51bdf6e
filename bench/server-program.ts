import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The folder of all that is built for the benchmarks. */
export const buildFolder = fileURLToPath(new URL("build/", import.meta.url));

const serversFolder = fileURLToPath(new URL("servers/", import.meta.url));

/** The command of a server in bench/servers. */
export function nodeServer(name: string): readonly string[] {
  return [process.execPath, "--conditions=plugboard-source", `${serversFolder}${name}.ts`];
}

/** The command of the same server as JavaScript, with the package as it is built in dist/. */
export function builtServer(name: string): readonly string[] {
  return [process.execPath, `${buildFolder}servers/${name}.js`];
}

/** The command of our server as docs/hosts.md tells plugins to be bundled: one file, the package in it. */
export const bundledServer: readonly string[] = [process.execPath, `${buildFolder}servers/bundled.cjs`];

/** Builds what `builtServer` names, and `bundledServer`. */
export async function buildServers(names: readonly string[]): Promise<void> {
  await build({
    entryPoints: [`${serversFolder}plugboard.ts`],
    outfile: `${buildFolder}servers/bundled.cjs`,
    bundle: true,
    platform: "node",
    format: "cjs",
  });
  await build({
    entryPoints: names.map((name) => `${serversFolder}${name}.ts`),
    outdir: `${buildFolder}servers`,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "es2024",
  });
}

/** The program made of bench/peers/grpc-go. */
export const goProgram = `${buildFolder}grpc-go`;

/** Builds it. Returns why that did not go, if it did not. */
export function buildGo(): string | undefined {
  mkdirSync(buildFolder, { recursive: true });
  const cwd = fileURLToPath(new URL("peers/grpc-go/", import.meta.url));
  const { error, status, stderr } = spawnSync("go", ["build", "-o", goProgram, "."], { cwd, encoding: "utf8" });
  if (error !== undefined) {
    return "Go is not installed";
  }
  return status === 0 ? undefined : `go build failed: ${stderr.trim().split("\n").at(-1)}`;
}
