// Renders a Markdown file over every route there is, with the same client code each time, and compares.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Connection, Requirements } from "plugboard";
import { explainRoutes } from "plugboard";
import { connect, Host } from "plugboard/node";
import { createTestHarness } from "wrangler";
import { Extension, MarkdownService } from "../gen/examples/markdown/v1/markdown_pb.ts";
import plugin from "./plugin.ts";
import { formatTable } from "./table.ts";

const further = 100;
const root = fileURLToPath(new URL("../..", import.meta.url));

/** Where the plugin can run. What `open` starts ends with the stack. */
interface Place {
  readonly name: string;
  open(require: Requirements, stack: AsyncDisposableStack): Promise<Connection>;
}

const places: readonly Place[] = [
  {
    name: "in this process",
    open: async (require, stack) =>
      stack.use(await connect(plugin, { require, config: { extensions: [Extension.GFM] } })),
  },
  {
    name: "a child process, by its Unix socket",
    async open(require, stack) {
      const host = stack.use(new Host());
      const script = fileURLToPath(new URL("serve.ts", import.meta.url));
      return host.load({
        command: [process.execPath, "--conditions=plugboard-source", script],
        config: { extensions: ["EXTENSION_GFM"] },
        require,
      });
    },
  },
  {
    name: "a Worker in workerd, by HTTP",
    async open(require, stack) {
      const worker = createTestHarness({ root, workers: [{ configPath: "wrangler.toml" }] });
      stack.defer(() => worker.close());
      const { url } = await worker.listen();
      return stack.use(await connect(url, { require }));
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

async function measure(place: Place, require: Requirements, markdown: string): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const started = performance.now();
  const connection = await place.open(require, stack);
  const html = await render(connection, markdown);
  const firstMs = performance.now() - started;

  const times: number[] = [];
  for (let call = 0; call < further; call++) {
    const before = performance.now();
    if ((await render(connection, markdown)) !== html) {
      throw new Error(`${place.name}: call ${call + 2} was answered otherwise than the first`);
    }
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  const route = connection.routes.unary.routes[0];
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
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) {
      return text;
    }
  } catch {
    // Said below.
  }
  throw new Error(`${file} is not text: it has to be UTF-8`);
}

async function run(file: string) {
  const markdown = await readText(file);
  const results: Result[] = [];
  const explanations: string[] = [];
  for (const place of places) {
    // What there is, is for negotiation to say; then each way is asked for alone.
    const { routes } = await (async () => {
      await using stack = new AsyncDisposableStack();
      const connection = await place.open({}, stack);
      await render(connection, markdown);
      return connection;
    })();
    explanations.push(`${place.name}\n${explainRoutes(routes).replace(/^/gm, "  ")}`);
    for (const { name, endpoint, capability } of routes.unary.routes) {
      process.stderr.write(`rendering over ${name}\n`);
      const { protocol } = endpoint;
      const { httpVersion } = capability;
      const require = { ...(protocol !== "none" && { protocols: [protocol] }), ...(httpVersion && { httpVersion }) };
      results.push(await measure(place, require, markdown));
    }
  }

  console.log(`${file}: ${Buffer.byteLength(markdown)} bytes of Markdown, rendered over ${results.length} routes\n`);
  console.log(
    formatTable(
      ["route", "protocol", "carries", "first answer", `median of ${further}`, "HTML", "identical"],
      results.map((result) => [
        result.route,
        result.protocol,
        result.carries,
        `${result.firstMs.toFixed(0)} ms`,
        `${result.medianMs.toFixed(2)} ms`,
        `${Buffer.byteLength(result.html)} bytes`,
        result.html === results[0]?.html ? "yes" : "NO",
      ]),
    ),
  );
  console.log('\n"first answer" includes starting the plugin, process or Worker.\n');
  console.log(`Which route each kind of method takes, and why others were skipped\n\n${explanations.join("\n\n")}`);
  if (results.some(({ html }) => html !== results[0]?.html)) {
    throw new Error("the answers are not all identical");
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
