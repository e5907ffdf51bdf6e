import type { Connection } from "plugboard";
import { connect } from "plugboard";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { calls } from "./calls.ts";

/** The page's actions, and their results; as JSON. */
export interface Report {
  readonly routes: Readonly<Record<string, string | undefined>>;
  readonly html: string;
  readonly headings: readonly string[];
  readonly assembled: string;
  /** The events in the preview, in order. */
  readonly preview: readonly string[];
  /** Code of the error that an aborted preview failed with, and that the one after it works. */
  readonly aborted: number;
  readonly afterAbort: string;
}

/** The attempts of a page of another origin, and their results. */
export interface StrangerReport {
  readonly connect: string;
  readonly webSocket: string;
  readonly bareWebSocket: string;
  readonly post: string;
  readonly formPost: string;
}

async function useEverything(connection: Connection): Promise<Report> {
  const client = connection.client(MarkdownService);
  const { html } = await client.render({ markdown: "# hi" });
  const headings: string[] = [];
  for await (const { text } of client.outline({ markdown: "# one\n\n## two" })) {
    headings.push(text);
  }
  async function* chunks() {
    yield { chunk: new TextEncoder().encode("# as") };
    yield { chunk: new TextEncoder().encode("sembled") };
  }
  const assembled = await client.assemble(chunks());

  const preview: string[] = [];
  let seen = Promise.withResolvers<void>();
  async function* edits() {
    for (const [position, insert] of ["a", "b", "c"].entries()) {
      preview.push(`sent ${insert}`);
      yield { position, insert };
      // The next edit is made when the response to this one is there.
      await seen.promise;
      seen = Promise.withResolvers();
    }
  }
  for await (const { html, revision } of client.preview(edits())) {
    preview.push(`saw ${revision} ${html}`);
    seen.resolve();
  }

  const controller = new AbortController();
  async function* endless() {
    yield { insert: "a" };
    await new Promise(() => {});
  }
  const aborted = await (async () => {
    for await (const _ of client.preview(endless(), { signal: controller.signal })) {
      controller.abort();
    }
    return 0;
  })().catch((error: { code: number }) => error.code);
  return {
    routes: Object.fromEntries(Object.entries(connection.routes).map(([kind, { routes }]) => [kind, routes[0]?.name])),
    html,
    headings,
    assembled: assembled.html,
    preview,
    aborted,
    afterAbort: (await client.render({ markdown: "still here" })).html,
  };
}

Object.assign(globalThis, {
  calls,

  async overTheWeb(url: string): Promise<Report> {
    await using connection = await connect(url);
    return await useEverything(connection);
  },

  async overAPort(): Promise<Report> {
    const worker = new Worker("/web-worker.js", { type: "module" });
    const { port1, port2 } = new MessageChannel();
    worker.postMessage("a port", [port2]);
    const connection = await connect(port1);
    const report = await useEverything(connection);
    await connection.close();
    worker.terminate();
    return report;
  },

  /** What becomes of a page that may not call. */
  async strangerAt(url: string): Promise<StrangerReport> {
    const outcome = (promise: Promise<unknown>) =>
      promise.then(
        () => "allowed",
        () => "refused",
      );
    const webSocketUrl = url.replace("http:", "ws:");
    const echo = `${url}/plugboard.test.v1.BehaviourService/Echo`;
    const body = JSON.stringify({ text: "stranger" });
    const headers = { "Content-Type": "application/json" };
    return {
      connect: await outcome(connect(url)),
      webSocket: await outcome(connect(webSocketUrl)),
      bareWebSocket: await outcome(opened(new WebSocket(webSocketUrl, "plugboard.ttrpc.v1"))),
      post: await outcome(fetch(echo, { method: "POST", body, headers })),
      // As a form could, which no preflight goes before.
      formPost: await outcome(fetch(echo, { method: "POST", body, mode: "no-cors" })),
    };
  },
});

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("it did not open")));
  });
}
