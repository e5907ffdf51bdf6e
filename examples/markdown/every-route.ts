// Renders a Markdown file over every route there is, with the same client code each time, and compares.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Connection, Requirements } from "plugboard";
import { explainRoutes } from "plugboard";
import { connect, Host } from "plugboard/node";
import { Extension, MarkdownService } from "../gen/examples/markdown/v1/markdown_pb.ts";
import plugin from "./plugin.ts";
import { formatTable, wrap } from "./table.ts";

const further = 10;
const columns = 100;
const root = fileURLToPath(new URL("../..", import.meta.url));

type Connect = (require: Requirements) => Promise<Connection>;

/** A place where the plugin can run. `start` returns how to connect to it there; what it starts ends with the stack. */
interface Place {
  readonly name: string;
  start(stack: AsyncDisposableStack): Promise<Connect>;
}

const places: readonly Place[] = [
  {
    name: "in this process",
    start: async () => (require) => connect(plugin, { require, config: { extensions: [Extension.GFM] } }),
  },
  {
    name: "a child process, by its Unix socket",
    async start(stack) {
      const host = stack.use(new Host());
      const script = fileURLToPath(new URL("serve.ts", import.meta.url));
      const { routes } = await host.load({
        command: [process.execPath, "--conditions=plugboard-source", script],
        config: { extensions: ["EXTENSION_GFM"] },
      });
      const address = routes.unary.routes[0]?.endpoint.address.text ?? "";
      return (require) => connect(address, { require });
    },
  },
  {
    name: "a Worker in workerd, by HTTP",
    async start(stack) {
      // It takes a second to load.
      const { createTestHarness } = await import("wrangler");
      const worker = createTestHarness({ root, workers: [{ configPath: "wrangler.toml" }] });
      stack.defer(() => worker.close());
      const { url } = await worker.listen();
      return (require) => connect(url, { require });
    },
  },
];

/** One line of the table. */
interface Result {
  readonly route: string;
  readonly protocol: string;
  readonly carries: string;
  readonly firstMs: number;
  readonly medianMs: number;
  readonly html: string;
}

/** The part that every user of a plugin writes; everything else here is measuring. */
async function render(connection: Connection, markdown: string): Promise<string> {
  const { html } = await connection.client(MarkdownService).render({ markdown });
  return html;
}

async function measure(connect: Connect, require: Requirements, markdown: string): Promise<Result> {
  const started = performance.now();
  await using connection = await connect(require);
  const html = await render(connection, markdown);
  const firstMs = performance.now() - started;

  const route = connection.routes.unary.routes[0];
  const times: number[] = [];
  for (let call = 0; call < further; call++) {
    const before = performance.now();
    if ((await render(connection, markdown)) !== html) {
      throw new Error(`${route?.name}: the response to call ${call + 2} is not that to the first`);
    }
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  return {
    route: route?.name ?? "none",
    protocol: route?.endpoint.protocol ?? "none",
    carries: carriedKinds(connection),
    firstMs,
    medianMs: times[Math.floor(times.length / 2)] ?? Number.NaN,
    html,
  };
}

function carriedKinds({ routes }: Connection): string {
  const kinds = Object.entries(routes).filter(([, { routes: carriers }]) => carriers.length > 0);
  return kinds.length === 4 ? "all four" : kinds.map(([kind]) => kind.replace("_streaming", "")).join(", ");
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === "ENOENT" ? `there is no file ${file}` : `${file} can't be read: ${error.message}`);
  });
  const text = decode(bytes);
  if (text === undefined || text.includes("\0")) {
    throw new Error(`${file} is not text: it has to be UTF-8`);
  }
  return text;
}

/** Undefined if it is not UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Tells of progress, apart from the output. */
function tell(progress: string) {
  process.stderr.write(`${progress}\n`);
}

async function run(file: string) {
  const markdown = await readText(file);
  const results: Result[] = [];
  const explanations: string[] = [];
  for (const place of places) {
    tell(`starting the plugin: ${place.name}`);
    await using stack = new AsyncDisposableStack();
    const connect = await place.start(stack);
    // Negotiation says which routes there are; then each is required alone.
    const { routes } = stack.use(await connect({}));
    explanations.push(`${place.name}\n${explainRoutes(routes).replace(/^/gm, "  ")}`);
    for (const { name, endpoint, capability } of routes.unary.routes) {
      tell(`  rendering over ${name}`);
      const { protocol } = endpoint;
      const { httpVersion } = capability;
      const require = { ...(protocol !== "none" && { protocols: [protocol] }), ...(httpVersion && { httpVersion }) };
      results.push(await measure(connect, require, markdown));
    }
  }

  const html = results[0]?.html ?? "";
  console.log(
    `${file}: ${Buffer.byteLength(markdown)} bytes of Markdown are ${Buffer.byteLength(html)} bytes of HTML\n`,
  );
  console.log(
    formatTable(
      ["route", "protocol", "carries", "first response", `median of ${further}`, "identical"],
      results.map((result) => [
        result.route,
        result.protocol,
        result.carries,
        `${result.firstMs.toFixed(0)} ms`,
        `${result.medianMs.toFixed(2)} ms`,
        result.html === html ? "yes" : "NO",
      ]),
    ),
  );
  console.log('\n"first response" includes connecting to the plugin, "median" is of further calls.\n');
  const reasons = explanations.map((lines) => wrap(lines, columns)).join("\n\n");
  console.log(`Which route each kind of method takes, and why others were skipped\n\n${reasons}`);
  if (results.some((result) => result.html !== html)) {
    throw new Error("the responses are not all identical");
  }
}

// There is nothing for wrangler to ask or to tell on the internet.
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
process.env.WRANGLER_SEND_METRICS = "false";
try {
  await run(process.argv[2] ?? fileURLToPath(new URL("../../README.md", import.meta.url)));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
