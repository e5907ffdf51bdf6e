// One call that makes another, over two routes, and what OpenTelemetry has of it: a single trace, and metrics.
import { MessageChannel } from "node:worker_threads";
import type { Connection } from "plugboard";
import { connect, definePlugin, forward, serveOn } from "plugboard";
import { openTelemetry, traceCalls } from "plugboard/telemetry";
import { MarkdownService } from "../gen/examples/markdown/v1/markdown_pb.ts";
import markdown from "../markdown/plugin.ts";
import { startSdk } from "./start-sdk.ts";

await using telemetry = startSdk();
const observers = [openTelemetry()];
const interceptors = [traceCalls()];

/** Has its titles rendered by another plugin. */
const titles = (renderer: Connection) =>
  definePlugin({
    name: "titles",
    version: "1.0.0",
    routes(router) {
      const { render } = renderer.client(MarkdownService);
      // Under the same request id, in the same trace, within the same deadline.
      router.service(MarkdownService, {
        render: (request, context) => render({ markdown: `# ${request.markdown}` }, forward(context)),
      });
    },
  });

const { port1, port2 } = new MessageChannel();
await using served = await serveOn(markdown, port1, { observers });
await using renderer = await connect(port2, { interceptors });
await using connection = await connect(titles(renderer), { observers, interceptors });

const { html } = await connection.client(MarkdownService).render({ markdown: "hi" }, { timeoutMs: 5_000 });
console.log(`${html}\n\n${telemetry.spans()}\n\n${await telemetry.metrics()}`);
await renderer.close();
await served.closed;
