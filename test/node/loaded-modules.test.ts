import type { LoadOptions } from "plugboard/node";
import { connect, Host } from "plugboard/node";
import { expect, test } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";

const command = ["node", "--conditions=plugboard-source", "test/node/fixtures/tell-modules.ts"] as const;

/** What is only of use to HTTP: its servers, its clients and WebSockets. */
const http =
  /^node:(http|https|http2|tls|zlib|internal\/deps\/undici\/undici)$|\/(connect-node|ws)\/|\/src\/node\/(http|websocket)/;

/** What some settings ask for, and a start that failed. */
const onRequest =
  /\/(cockatiel|jose|rate-limiter-flexible|@opentelemetry)\/|\/src\/policy\/verify-jwt|\/src\/node\/(rate-limit|shutdown-file)|\/src\/host\/repeat/;

/** What is only of use to TLS. */
const tls = /^node:tls$|\/(@peculiar|reflect-metadata|tsyringe)\/|\/src\/(node\/tls|host\/host-tls|node\/refuse)/;

test("a plugin process loads what TLS needs if its host wants TLS, and only then", async () => {
  await using host = new Host();
  const modules = async (options: Pick<LoadOptions, "tls">) => {
    const loaded = await host.load({ command, ...options });
    const { html } = await loaded.client(MarkdownService).render({});
    return html.split("\n").filter((each) => tls.test(each));
  };
  expect(await modules({})).toEqual([]);
  expect(await modules({ tls: "auto" })).toEqual(
    expect.arrayContaining(["node:tls", expect.stringContaining("@peculiar/x509")]),
  );
});

test("a plugin process loads what only some settings ask for when they do, and not before", async () => {
  await using host = new Host();
  const modules = async (env: Record<string, string>) => {
    const loaded = await host.load({ command, env });
    const { html } = await loaded.client(MarkdownService).render({});
    return html.split("\n").flatMap((each) => onRequest.exec(each)?.[0] ?? []);
  };
  expect(await modules({})).toEqual([]);
  expect(await modules({ PLUGIN_RATE_LIMIT_ENABLED: "true" })).toEqual(["/src/node/rate-limit"]);
  expect(await modules({ PLUGIN_SHUTDOWN_FILE_PATH: "/no/such/file" })).toEqual(["/src/node/shutdown-file"]);
});

test("a plugin process loads what HTTP needs with its first HTTP client, and not before", async () => {
  await using host = new Host();
  const loaded = await host.load({ command });
  const modules = async ({ client }: Pick<typeof loaded, "client">) => {
    const { html } = await client(MarkdownService).render({});
    return html.split("\n").filter((each) => http.test(each));
  };
  expect(await modules(loaded)).toEqual([]);

  const address = loaded.routes.unary.routes[0]?.endpoint.address.text ?? "";
  await using connection = await connect(address, { require: { protocols: ["grpc"] } });
  expect(await modules(connection)).toEqual(expect.arrayContaining(["node:http", "node:http2"]));
});
