import { bearer, connect } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import markdown from "../../examples/markdown/plugin.ts";
import { allThatShows } from "../support/all-that-shows.ts";

const secret = "swordfish-0123456789-abcdefghijkl";

test("a connection by a service binding, its client and the Worker's app show no token", async () => {
  const app = edge(markdown, { auth: bearer(secret), observers: [] });
  const binding = {
    fetch: async (input: string | URL | Request, init?: RequestInit) => app.fetch(new Request(input, init)),
  };
  await using connection = await connect(binding, { token: secret });
  const client = connection.client(MarkdownService);
  expect((await client.render({ markdown: "# hi" })).html).toContain("<h1>hi</h1>");
  for (const value of [connection, client, app]) {
    expect(allThatShows(value)).not.toContain(secret);
  }
});
