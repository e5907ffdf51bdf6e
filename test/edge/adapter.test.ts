import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import plugin from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** Of gRPC. */
const resourceExhausted = "grpc-status: 8";
const chunkBytes = 10_000;

/** Calls with a message that is said to be too large, and goes on sending; tells how many bytes were taken of it. */
async function callWithTooMuch(nextChunk: (sent: number) => Promise<Uint8Array<ArrayBuffer> | undefined>) {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = sent === 0 ? Uint8Array.of(0, 0x7f, 0, 0, 0) : await nextChunk(sent);
        if (chunk === undefined) {
          controller.close();
          return;
        }
        sent += chunk.byteLength;
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
  const init: RequestInit & { duplex: "half" } = {
    method: "POST",
    headers: { "Content-Type": "application/grpc-web+proto" },
    body,
    duplex: "half",
  };
  const response = await edge(plugin).request(`/${BehaviourService.typeName}/Echo`, init);
  return { reply: await response.text(), sent };
}

test("a request that had its response early is read to its end before the response ends", async () => {
  const { reply, sent } = await callWithTooMuch(async (sent) =>
    sent < 500_000 ? new Uint8Array(chunkBytes) : undefined,
  );
  expect(reply).toContain(resourceExhausted);
  expect(sent).toBe(500_005);
});

test("no more of it is read than 5 MiB", async () => {
  const { reply, sent } = await callWithTooMuch(async () => new Uint8Array(chunkBytes));
  expect(reply).toContain(resourceExhausted);
  expect(sent).toBeLessThanOrEqual(5 * 1024 * 1024 + 2 * chunkBytes);
});

test("a response does not wait for a caller who has nothing more to send and does not say so", async () => {
  const { reply, sent } = await callWithTooMuch(() => new Promise(() => undefined));
  expect(reply).toContain(resourceExhausted);
  expect(sent).toBe(5);
});
