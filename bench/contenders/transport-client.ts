import type { Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { header, timeoutMs } from "../contender.ts";
import type { EchoClient } from "../drive.ts";
import { EchoService } from "../gen/plugboard/bench/v1/echo_pb.ts";

/** Calls over a Connect transport. */
export function transportClient(transport: Transport, close: () => void | Promise<void>): EchoClient {
  return echoClient(createClient(EchoService, transport), close);
}

/** Calls by a client as Connect makes it. */
export function echoClient(
  client: ReturnType<typeof createClient<typeof EchoService>>,
  close: () => void | Promise<void>,
): EchoClient {
  return {
    async unary(data, signal) {
      const response = await client.echo({ data }, { signal, timeoutMs, headers: header });
      return response.data;
    },
    async *stream(count, size, signal) {
      for await (const { data } of client.produce({ count, size }, { signal, timeoutMs, headers: header })) {
        yield data;
      }
    },
    // It has no deadline, as it may stay open for longer.
    hold: (signal) => client.hold({}, { signal, headers: header }),
    close,
  };
}
