import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "plugboard";
import { expect, test } from "vitest";
import { stdioCarrier } from "../../examples/carriers/stdio-carrier.ts";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

test("a carrier from outside the package carries all four kinds of method, and ends with the connection", async () => {
  const program = spawn(process.execPath, ["--conditions=plugboard-source", "examples/carriers/stdio-plugin.ts"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(program, "exit");
  const open = async () => stdioCarrier(program.stdout, program.stdin);
  const connection = await connect({ name: "the plugin's stdio", open });
  expect(connection.manifest?.name).toBe("markdown");
  for (const { routes } of Object.values(connection.routes)) {
    expect(routes.map((route) => route.name)).toEqual(["custom+ttrpc"]);
  }
  const client = connection.client(MarkdownService);
  expect(await client.render({ markdown: "# hi" })).toMatchObject({ html: "<h1>hi</h1>" });
  const headings = await Array.fromAsync(client.outline({ markdown: "# one\n\n## two" }));
  expect(headings).toHaveLength(2);
  await connection.close();
  expect(await exited).toEqual([0, null]);
});
