import { Code } from "@connectrpc/connect";
import { accessLog, connect, definePlugin } from "plugboard";
import type { LogRecord } from "plugboard/node";
import { connect as connectFromNode, Host } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import behaviour from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../support/local-listener.ts";
import { startWorker } from "../support/local-worker.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const request = { headers: { "X-Request-Id": "request-7", traceparent } };

describe("a line of the access log", () => {
  test.each(["ttrpc", "grpc", "connect"] as const)("is one object of JSON for each call over %s", async (protocol) => {
    const lines: string[] = [];
    const observers = [accessLog({ write: (line) => lines.push(line) })];
    await using listener = await listenLocally(behaviour, "tcp", { observers });
    await using connection = await connectFromNode(listener.address, { require: { protocols: [protocol] } });
    lines.length = 0;
    await connection.client(BehaviourService).echo({ text: "a" }, request);
    await connection
      .client(BehaviourService)
      .fail({ code: Code.NotFound }, request)
      .catch(() => undefined);
    await vi.waitFor(() => expect(lines).toHaveLength(2));
    const common = {
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      level: "info",
      message: "call",
      requestId: "request-7",
      traceId: "0af7651916cd43dd8448eb211c80319c",
      protocol,
      peer: "127.0.0.1",
      durationMs: expect.any(Number),
    };
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        ...common,
        method: "plugboard.test.v1.BehaviourService/Echo",
        code: "ok",
        requestBytes: expect.toSatisfy((bytes: number) => bytes >= 3),
        responseBytes: expect.toSatisfy((bytes: number) => bytes >= 3),
      },
      expect.objectContaining({
        ...common,
        method: "plugboard.test.v1.BehaviourService/Fail",
        code: "not_found",
      }),
    ]);
    expect(lines.join("")).not.toContain("\n");
  });

  test("has no peer, trace or bytes for a call in the same process, and an id of its own", async () => {
    const lines: string[] = [];
    await using connection = await connect(behaviour, {
      observers: [accessLog({ write: (line) => lines.push(line) })],
    });
    await connection.client(BehaviourService).echo({});
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        time: expect.any(String),
        level: "info",
        message: "call",
        requestId: expect.stringMatching(/^[\da-f-]{36}$/),
        method: "plugboard.test.v1.BehaviourService/Echo",
        protocol: "memory",
        code: "ok",
        durationMs: expect.any(Number),
      },
    ]);
  });

  test("takes no id over that would forge lines", async () => {
    const lines: string[] = [];
    await using connection = await connect(behaviour, {
      observers: [accessLog({ write: (line) => lines.push(line) })],
    });
    await connection.client(BehaviourService).echo({}, { headers: { "X-Request-Id": 'a"}{"b' } });
    expect(JSON.parse(lines[0] ?? "").requestId).toMatch(/^[\da-f-]{36}$/);
  });
});

test("the log line about an error that is concealed has the request's id, over every route", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  try {
    await using listener = await listenLocally(behaviour, "unix");
    const targets = [
      ...(["ttrpc", "grpc", "connect"] as const).map((protocol) => ({
        target: listener.address,
        options: { require: { protocols: [protocol] } },
      })),
      { target: behaviour, options: {} },
    ];
    for (const [index, { target, options }] of targets.entries()) {
      await using connection = await connectFromNode(target, options);
      const headers = { "X-Request-Id": `request-${index}` };
      const failing = connection.client(BehaviourService).fail({ code: 0, message: "disk full" }, { headers });
      await expect(failing).rejects.toMatchObject({ code: Code.Internal });
    }
    expect(logged.mock.calls.map(([entry]) => String(entry).split("\n", 1)[0])).toEqual(
      targets.map(
        (_, index) =>
          `plugboard: plugboard.test.v1.BehaviourService/Fail failed, request request-${index}: Error: disk full`,
      ),
    );
  } finally {
    logged.mockRestore();
  }
});

describe("a plugin process", () => {
  const serve = (...options: string[]) =>
    ["node", "--conditions=plugboard-source", "test/telemetry/fixtures/logging.ts", ...options] as const;

  test.each([
    ["Plugboard", undefined],
    ["go-plugin", { cookie: { key: "LOGGING", value: "yes" }, protocolVersions: [1] }],
  ])("writes its access log as records of hclog, which hosts of %s read", async (_, handshake) => {
    const records: LogRecord[] = [];
    await using host = new Host();
    const loaded = await host.load({
      command: serve(),
      onLog: (record) => records.push(record),
      ...(handshake && { handshake }),
    });
    await loaded.client(MarkdownService).render({}, request);
    await vi.waitFor(() => expect(records.map(({ fields }) => fields.requestId)).toContain("request-7"));
    expect(records.find(({ fields }) => fields.requestId === "request-7")).toMatchObject({
      level: "info",
      message: "call",
      module: "logging",
      time: expect.any(Date),
      fields: { method: "examples.markdown.v1.MarkdownService/Render", code: "ok", durationMs: expect.any(Number) },
    });
  });

  test("writes none unless it is asked to", async () => {
    const records: LogRecord[] = [];
    await using host = new Host();
    const loaded = await host.load({ command: serve("--quiet"), onLog: (record) => records.push(record) });
    await loaded.client(MarkdownService).render({ markdown: "log" }, request);
    await vi.waitFor(() => expect(records).toMatchObject([{ message: "the handler's own" }]));
  });
});

test("a Worker writes its access log unless it is switched off", async () => {
  await using stack = new AsyncDisposableStack();
  const worker = await startWorker("test/telemetry/fixtures/logging-worker.ts");
  stack.defer(() => worker.stop());
  const render = (path: string) =>
    fetch(`${worker.url}${path}/examples.markdown.v1.MarkdownService/Render`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Request-Id": `id-of${path.replace("/", "-")}` },
      body: "{}",
    });
  await (await render("/logged")).text();
  await (await render("/quiet")).text();
  const lines = (await (await fetch(`${worker.url}/lines`)).json()) as string[];
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { message: "call", requestId: "id-of-logged", protocol: "connect", code: "ok", peer: expect.any(String) },
  ]);
});

test("no one observes unless asked", async () => {
  const plugin = definePlugin({
    name: "p",
    version: "1.0.0",
    routes: (router) => router.service(BehaviourService, {}),
  });
  const info = vi.spyOn(console, "info");
  try {
    await using connection = await connect(plugin);
    await connection
      .client(BehaviourService)
      .echo({})
      .catch(() => undefined);
    expect(info).not.toHaveBeenCalled();
  } finally {
    info.mockRestore();
  }
});
