import { build } from "esbuild";
import { expect, test } from "vitest";

/** The packages that code reachable from an entry point imports as it runs. */
async function packagesOf(entry: string): Promise<ReadonlySet<string>> {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    outdir: "built-on",
    write: false,
    metafile: true,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  return new Set(
    imports.flatMap(({ path, external }) => (external ? (/^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []) : [])),
  );
}

test.each([
  { entry: "src/index.ts", packages: ["@bufbuild/protobuf", "@connectrpc/connect"] },
  { entry: "src/node.ts", packages: ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"] },
  { entry: "src/edge.ts", packages: ["@bufbuild/protobuf", "@connectrpc/connect", "hono"] },
])("$entry is built on $packages", async ({ entry, packages }) => {
  const used = await packagesOf(entry);
  for (const name of packages) {
    expect(used).toContain(name);
  }
});
