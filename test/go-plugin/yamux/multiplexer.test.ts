import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { createMultiplexer } from "../../../src/go-plugin/yamux/multiplexer.ts";
import { YamuxStream } from "../../../src/go-plugin/yamux/stream.ts";

test("streams are opened in the order in which they are asked for, with a signal or without", async () => {
  const multiplexer = createMultiplexer("client");
  const [carrier, other] = duplexPair();
  other.resume();
  multiplexer.attach(carrier);
  const { signal } = new AbortController();
  const asked = [signal, undefined, signal, undefined].map((each) => multiplexer.openStream(each));
  const ids = (await Promise.all(asked)).map((stream) => (stream instanceof YamuxStream ? stream.id : undefined));
  expect(ids).toEqual([1, 3, 5, 7]);
  await multiplexer.close();
});
