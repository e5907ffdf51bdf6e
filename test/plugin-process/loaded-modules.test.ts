import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { LoadOptions } from "plugboard/node";
import { connect, Host } from "plugboard/node";
import { afterAll, expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

const command = ["node", "--conditions=plugboard-source", "test/plugin-process/fixtures/tell-modules.ts"] as const;
const { resolve } = createRequire(import.meta.url);

/** The URL of a module by which a process names it. Fails if there is no such module, as after a move. */
function moduleUrl(specifier: string): string {
  return pathToFileURL(resolve(specifier)).href;
}

/** The URLs of the modules that a plugin process has loaded. */
async function loadedBy({ client }: Pick<Awaited<ReturnType<Host["load"]>>, "client">): Promise<readonly string[]> {
  const { html } = await client(MarkdownService).render({});
  return html.split("\n");
}

function packagesOf(urls: readonly string[]): readonly string[] {
  const names = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  return [...new Set(names)].sort();
}

const host = new Host();
afterAll(() => host[Symbol.asyncDispose]());

/** The modules of a process that was started with no options. */
const plain = host.load({ command }).then(loadedBy);

/** What a process loads more if it is started with these options. */
async function loadedMore(options: Pick<LoadOptions, "tls" | "env">): Promise<readonly string[]> {
  const before = new Set(await plain);
  return (await loadedBy(await host.load({ command, ...options }))).filter((url) => !before.has(url));
}

test("a plugin process loads no packages but small ones when it starts", async () => {
  const small = new Set(["@bufbuild/protobuf", "@connectrpc/connect", "compare-versions", "signal-exit"]);
  const packages = packagesOf(await plain);
  expect(packages).toContain("@connectrpc/connect");
  expect(packages.filter((name) => !small.has(name))).toEqual([]);
});

test("a plugin process does not load what verifies tokens or starts other plugins again when it starts", async () => {
  expect(await plain).toContain(moduleUrl("../../src/plugin-process/serve.ts"));
  expect(await plain).not.toContain(moduleUrl("../../src/policy/auth/verify-jwt.ts"));
  expect(await plain).not.toContain(moduleUrl("../../src/host/retry.ts"));
});

test("a plugin process loads what TLS needs if its host wants TLS, and only then", async () => {
  const more = await loadedMore({ tls: "auto" });
  expect(more).toEqual(
    expect.arrayContaining([
      "node:tls",
      moduleUrl("../../src/go-plugin/tls/plugin-tls.ts"),
      moduleUrl("../../src/node/tls/secure-server.ts"),
    ]),
  );
  expect(packagesOf(more)).toContain("@peculiar/x509");
});

test.each([
  { setting: "PLUGIN_RATE_LIMIT_ENABLED", value: "true", module: "../../src/plugin-process/process-rate-limit.ts" },
  { setting: "PLUGIN_SHUTDOWN_FILE_PATH", value: "/no/such/file", module: "../../src/plugin-process/shutdown-file.ts" },
])("a plugin process with $setting loads the one module that it needs for that", async ({ setting, value, module }) => {
  expect(await loadedMore({ env: { [setting]: value } })).toEqual([moduleUrl(module)]);
});

test("a plugin process loads what HTTP needs with its first HTTP client, and not before", async () => {
  const loaded = await host.load({ command });
  const before = new Set(await loadedBy(loaded));

  const address = loaded.routes.unary.routes[0]?.endpoint.address.text ?? "";
  await using connection = await connect(address, { require: { protocols: ["grpc"] } });
  const more = (await loadedBy(connection)).filter((url) => !before.has(url));
  expect(more).toEqual(
    expect.arrayContaining([
      "node:http",
      "node:http2",
      moduleUrl("../../src/node/http/http-server.ts"),
      moduleUrl("../../src/node/http/adapter.ts"),
    ]),
  );
  expect(packagesOf(more)).toEqual(["@connectrpc/connect-node"]);
  expect(more).not.toContain(moduleUrl("../../src/node/http/websocket.ts"));
});
