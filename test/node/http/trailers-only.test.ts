import { once } from "node:events";
import * as http2 from "node:http2";
import { definePlugin } from "plugboard";
import { expect, test } from "vitest";
import { listenLocally } from "../../support/local-listener.ts";

test("a call of gRPC that is refused before it has begun ends with its header, as gRPC wants a response without messages", async () => {
  const plugin = definePlugin({ name: "empty", version: "1.0.0", routes: () => undefined });
  await using listener = await listenLocally(plugin, "tcp");
  const session = http2.connect(listener.address.replace("tcp:", "http://"));
  const stream = session.request({ ":method": "POST", ":path": "/no.Such/Method", "content-type": "application/grpc" });
  stream.end(Buffer.alloc(5));
  const [fields, flags]: [http2.IncomingHttpHeaders, number] = (await once(stream, "response")) as never;
  expect(fields["grpc-status"]).toBe("12");
  expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).toBe(http2.constants.NGHTTP2_FLAG_END_STREAM);
  session.destroy();
});
