import { connect, Host } from "plugboard/node";
import { expect, test } from "vitest";
import { MarkdownService } from "../../src/gen/examples/markdown/v1/markdown_pb.ts";

const command = ["node", "--conditions=plugboard-source", "test/node/fixtures/tell-modules.ts"] as const;

/** What is only of use to HTTP: its servers, its clients and WebSockets. */
const http =
  /^node:(http|https|http2|tls|zlib|internal\/deps\/undici\/undici)$|\/(connect-node|ws)\/|\/src\/node\/(http|websocket)/;

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
