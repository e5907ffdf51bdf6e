import type { ConnectRouter } from "@connectrpc/connect";
import { EchoService } from "../gen/plugboard/bench/v1/echo_pb.ts";

/** The service as every server built on Connect registers it. */
export function routes(router: Pick<ConnectRouter, "service">): void {
  router.service(EchoService, {
    echo: ({ data }) => ({ data }),
    async *produce({ count, size }) {
      const data = new Uint8Array(size);
      for (let index = 0; index < count; index++) {
        yield { data };
      }
    },
    async *hold(_request, { signal }) {
      yield {};
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
}
