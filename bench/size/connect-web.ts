// The same page as ./browser-client.ts by connect-web: what ours is measured by.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

const client = createClient(
  MarkdownService,
  createConnectTransport({ baseUrl: location.origin, useBinaryFormat: true }),
);
const { html } = await client.render({ markdown: "# hi" });
document.body.append(html);
