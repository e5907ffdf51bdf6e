import { once } from "node:events";
import * as http2 from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InspectResponseSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Attacked } from "./attacked.ts";
import { call, dial, envelope, exchange, head, runtimes, service, startAttacked, untilOpen } from "./attacked.ts";

describe.each(runtimes)("slow callers, in %s:", (runtime) => {
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await startAttacked(runtime, { idleTimeoutMs: 500, maxDeadlineMs: 1500 });
  }, 60_000);
  afterAll(() => attacked?.stop());

  /** The response while the request is not whole. */
  async function responseTo(bytes: string | Uint8Array, trickle?: string): Promise<string> {
    const socket = await dial(attacked, bytes);
    const timer = setInterval(() => trickle !== undefined && socket.write(trickle), 50);
    let text = "";
    for await (const chunk of socket) {
      text += chunk;
      if (text.includes('"code"')) {
        break;
      }
    }
    clearInterval(timer);
    return text;
  }

  test("a body that never comes is refused as deadline_exceeded", async () => {
    expect(await responseTo(head(`${service}/Echo`, "Content-Length: 1000"))).toContain("deadline_exceeded");
  });

  test("a body that stops is refused as deadline_exceeded", async () => {
    const reply = await responseTo(`${head(`${service}/Echo`, "Transfer-Encoding: chunked")}1\r\n{\r\n`);
    expect(reply).toContain('"deadline_exceeded"');
  });

  test("a body that trickles is refused when the longest deadline is over", async () => {
    const reply = await responseTo(`${head(`${service}/Echo`, "Content-Length: 100000")}{`, " ");
    expect(reply).toContain("the operation timed out");
  });

  test.for(["application/grpc-web+proto", "Application/GRPC-Web+Proto", "APPLICATION/GRPC-WEB"])(
    "a deadline beyond the longest is shortened, however the type is written: %s",
    async (type) => {
      const headers = { "Content-Type": type, "Grpc-Timeout": "1H" };
      const reply = new Uint8Array(await (await call(attacked, "Inspect", envelope(""), headers)).arrayBuffer());
      const length = new DataView(reply.buffer).getUint32(1);
      const { timeoutMs } = fromBinary(InspectResponseSchema, reply.subarray(5, 5 + length));
      expect(timeoutMs).toBeGreaterThan(0);
      expect(timeoutMs).toBeLessThanOrEqual(1500);
    },
  );

  test("a stream whose caller says no more is ended, for its handler too", async () => {
    const idle = `${head(`${service}/Collect`, "Transfer-Encoding: chunked").replace("application/json", "application/connect+json")}`;
    expect(await responseTo(idle)).toContain("deadline_exceeded");
  });

  test("a handler ends though no one reads what it streams", async () => {
    const request = envelope(JSON.stringify({ id: `unread-${runtime}`, size: 100_000 }));
    const fields = head(`${service}/Produce`, `Content-Length: ${request.byteLength}`);
    const socket = await dial(attacked, fields.replace("application/json", "application/connect+json"));
    socket.pause();
    socket.write(request);
    await untilOpen(attacked, `unread-${runtime}`, true);
    await untilOpen(attacked, `unread-${runtime}`, false);
    socket.destroy();
  });

  test("a handler that does not heed its signal does not keep its caller from a response", async () => {
    const response = await call(attacked, "Hang", JSON.stringify({ id: `deaf-${runtime}` }));
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ code: "deadline_exceeded" });
    // It is the response that does not wait for it.
    await untilOpen(attacked, `deaf-${runtime}`, true);
  });

  test.each([
    ["shorter than it may be", "100", (ms: number) => ms > 0 && ms <= 100],
    ["longer than it may be", "100000", (ms: number) => ms > 1000 && ms <= 1500],
    ["none", undefined, (ms: number) => ms > 1000 && ms <= 1500],
  ])("a handler's deadline, when the caller asks for one %s", async (_, timeout, holds) => {
    const response = await call(attacked, "Inspect", "{}", timeout ? { "Connect-Timeout-Ms": timeout } : {});
    expect(await response.json()).toMatchObject({ timeoutMs: expect.toSatisfy(holds) });
  });
});

test.each(runtimes)(
  "a call has 120 s unless the caller asks for less, in %s",
  async (runtime) => {
    const attacked = await startAttacked(runtime);
    try {
      for (const headers of [{}, { "Connect-Timeout-Ms": "9999999" }]) {
        expect(await (await call(attacked, "Inspect", "{}", headers)).json()).toMatchObject({
          timeoutMs: expect.toSatisfy((ms: number) => ms > 100_000 && ms <= 120_000),
        });
      }
    } finally {
      await attacked.stop();
    }
  },
  60_000,
);

describe("connections to Node", () => {
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await startAttacked("node", { idleTimeoutMs: 300, maxDeadlineMs: 1500 });
  });
  afterAll(() => attacked?.stop());

  test("are closed when headers, or the body of a request that has its response, don't come to an end", async () => {
    const [headers, unknown, tooLong] = await Promise.all([
      exchange(attacked, "POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow:"),
      exchange(attacked, head("/no/such", "Content-Length: 100000000")),
      exchange(attacked, head(`${service}/Echo`, "Content-Length: 100000000")),
    ]);
    expect(headers).toMatch(/^HTTP\/1.1 408 /);
    expect(unknown).toMatch(/^HTTP\/1.1 404 /);
    expect(tooLong).toContain("resource_exhausted");
  });

  test("are closed when no one reads long responses", async () => {
    const body = JSON.stringify({ text: "a".repeat(1_000_000) });
    const echo = head(`${service}/Echo`, `Content-Length: ${body.length}`) + body;
    const socket = await dial(attacked, echo.repeat(20));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.pause();
    await untilStuck(attacked);
    // Reading shows that there is an end, and that not all of it has come.
    let read = 0;
    socket.on("data", (chunk) => {
      read += chunk.byteLength;
    });
    socket.resume();
    await closed;
    expect(read).toBeLessThan(20 * body.length);
  });

  test("are closed when nothing is asked in HTTP/2, or headers don't come to an end", async () => {
    const session = http2.connect(attacked.url);
    await once(session, "close");
    const unfinished = await dial(attacked, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    // SETTINGS, and HEADERS without END_HEADERS.
    unfinished.write(Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
    unfinished.write(Buffer.of(0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83));
    unfinished.resume();
    await once(unfinished, "close");
  });

  test("take streams of HTTP/2 back that no one reads", async () => {
    const session = http2.connect(attacked.url, { settings: { initialWindowSize: 0 } });
    const stream = session.request({
      ":method": "POST",
      ":path": `${service}/Echo`,
      "content-type": "application/json",
    });
    stream.on("error", () => undefined);
    stream.end('{"text":"never read"}');
    await once(stream, "close");
    expect(stream.rstCode).not.toBe(http2.constants.NGHTTP2_NO_ERROR);
    session.destroy();
  });
});

/** Waits for longer than a caller may leave a response unread: until a call that hangs has run into that limit three times. */
async function untilStuck(attacked: Attacked): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await call(attacked, "Hang", "{}", { "Connect-Timeout-Ms": "400" });
  }
}

test("requests that are sent without waiting for responses count as those of HTTP/2 do", async () => {
  const attacked = await startAttacked("node", { maxConcurrentStreams: 10 });
  const one = (id: number) => {
    const body = JSON.stringify({ id: `pipelined-${id}` });
    return `${head(`${service}/Hang`, `Content-Length: ${body.length}`)}${body}`;
  };
  const socket = await dial(attacked, Array.from({ length: 1000 }, (_, id) => one(id)).join(""));
  await untilOpen(attacked, "pipelined-9", true);
  // In the same packet as the tenth, so that it would run by now.
  const later = (await (await call(attacked, "Watch", JSON.stringify({ id: "pipelined-10" }))).json()) as object;
  expect(later).not.toHaveProperty("started");
  socket.destroy();
  await attacked.stop();
});

test("the first request beyond what a connection may have in flight gets 429, as its last", async () => {
  const attacked = await startAttacked("node", { maxConcurrentStreams: 10 });
  const echo = `${head(`${service}/Echo`, "Content-Length: 2")}{}`;
  const replies = await exchange(attacked, echo.repeat(1000));
  expect(replies.match(/HTTP\/1\.1 200/g)).toHaveLength(10);
  expect(replies.match(/HTTP\/1\.1 429/g)).toHaveLength(1);
  expect(replies).toContain("resource_exhausted");
  await attacked.stop();
});
