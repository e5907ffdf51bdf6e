import { fileURLToPath } from "node:url";
import { loadHttp } from "../http-load.ts";
import type { Effort, Measurement } from "../measurement.ts";
import { createRounds, formatSize, inTurn } from "../measurement.ts";
import type { WorkerdProcess } from "../workerd.ts";
import { buildWorker, startWorkerd } from "../workerd.ts";

/** Two Workers that do the same work, and one that does none. */
const workers = [
  { name: "edge(plugin)", file: "edge", entry: "../../workers/markdown.ts" },
  { name: "bare Hono", file: "bare-hono", entry: "../workers/bare-hono.ts" },
  { name: "workerd alone", file: "nothing", entry: "../workers/nothing.ts" },
] as const;

const path = "/examples.markdown.v1.MarkdownService/Render";
const sentence = "A *sentence* of [Markdown](https://example.com), with `code` in it. ";
/** The least there is to render, where all is overhead, and a page. */
const sizes = [4, 1024];

/** Unary calls in JSON per second, and time from the start of workerd to the first response. */
export async function measureEdge(effort: Effort): Promise<readonly Measurement[]> {
  process.stderr.write("edge\n");
  const built = await buildWorkers(workers.map(({ name }) => name));
  return [...(await measureColdStart(built, effort)), ...(await measureCalls(built, effort, [1, 16]))];
}

/** Bundles the Workers of these names. */
export async function buildWorkers(names: readonly (typeof workers)[number]["name"][]): Promise<Built> {
  return Promise.all(
    workers
      .filter(({ name }) => names.includes(name))
      .map(async ({ name, file, entry }) => ({
        name,
        config: await buildWorker(file, fileURLToPath(new URL(entry, import.meta.url))),
      })),
  );
}

type Built = readonly { readonly name: string; readonly config: string }[];

async function measureColdStart(built: Built, effort: Effort): Promise<readonly Measurement[]> {
  const { rounds, add } = createRounds(built.map(({ name }) => name));
  const first = createRounds(built.map(({ name }) => name));
  for (let round = 0; round <= effort.rounds; round++) {
    for (const { name, config } of inTurn(built, round)) {
      const start = performance.now();
      await using worker = await startWorkerd(config);
      const listening = performance.now();
      await call(worker, bodyOf(4));
      const end = performance.now();
      if (round > 0) {
        add(name, end - start);
        first.add(name, end - listening);
      }
    }
  }
  return [
    { part: "edge", title: "Worker, from spawn of workerd to the first response", unit: "ms", rounds },
    { part: "edge", title: "Worker, first request of a workerd that listens", unit: "ms", rounds: first.rounds },
  ];
}

/** Unary calls in JSON per second, of each size and concurrency: as such, then per second of processor time if that is known. */
export async function measureCalls(
  built: Built,
  effort: Effort,
  concurrencies: readonly number[],
): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  await using stack = new AsyncDisposableStack();
  const running: { readonly name: string; readonly worker: WorkerdProcess }[] = [];
  for (const { name, config } of built) {
    running.push({ name, worker: stack.use(await startWorkerd(config)) });
  }
  for (const size of sizes) {
    const body = bodyOf(size);
    await expectSameAnswers(running, body);
    for (const concurrency of concurrencies) {
      const { rounds, add } = createRounds(built.map(({ name }) => name));
      const processor = createRounds(built.map(({ name }) => name));
      for (let round = 0; round <= effort.rounds; round++) {
        for (const { name, worker } of inTurn(running, round)) {
          const before = await worker.processorMs();
          const { done, seconds } = await loadHttp(worker.port, path, body, concurrency, effort.milliseconds * 4);
          const after = await worker.processorMs();
          if (round > 0) {
            add(name, done / seconds);
            if (before !== undefined && after !== undefined) {
              processor.add(name, done / ((after - before) / 1000));
            }
          }
        }
      }
      const what = `Worker, JSON, ${formatSize(size)} of Markdown, ${concurrency} at once`;
      measurements.push({ part: "edge", title: what, unit: "calls/s", size, concurrency, rounds });
      if (Object.values(processor.rounds).every((values) => values.length > 0)) {
        const title = `${what}, per second of workerd's processor time`;
        measurements.push({ part: "edge", title, unit: "calls/s", size, rounds: processor.rounds });
      }
    }
  }
  return measurements;
}

function bodyOf(size: number): string {
  const markdown = size < sentence.length ? "# hi" : sentence.repeat(Math.ceil(size / sentence.length)).slice(0, size);
  return JSON.stringify({ markdown });
}

async function call({ port }: WorkerdProcess, body: string): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body });
  return response.text();
}

/** A contender that does less work is not compared. */
async function expectSameAnswers(
  running: readonly { readonly name: string; readonly worker: WorkerdProcess }[],
  body: string,
) {
  const [ours, bare] = await Promise.all(running.slice(0, 2).map(({ worker }) => call(worker, body)));
  if (ours === undefined || ours !== bare) {
    throw new Error(`the Workers answer differently: ${ours} and ${bare}`);
  }
}
