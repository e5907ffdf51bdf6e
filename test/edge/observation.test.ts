import { connect } from "plugboard/node";
import { afterAll, beforeAll } from "vitest";
import type { LocalWorker } from "../support/local-worker.ts";
import { startWorker } from "../support/local-worker.ts";
import { describeObservation } from "../support/observation/observation.ts";
import type { Observed } from "../support/observation/recording-observer.ts";

let worker: LocalWorker;
beforeAll(async () => {
  worker = await startWorker("test/edge/fixtures/observed-worker.ts");
}, 60_000);
afterAll(() => worker?.stop());

for (const protocol of ["connect", "grpc-web", "ttrpc"] as const) {
  const http = protocol !== "ttrpc";
  describeObservation({
    name: `${protocol} in workerd`,
    protocol,
    ...(http ? { lacks: "bidi_streaming", cancelsLate: true } : { keepsLimits: true }),
    async open() {
      const address = http ? worker.url : worker.url.replace("http:", "ws:");
      const connection = await connect(address, { require: { protocols: [protocol] } });
      return {
        connection,
        async calls() {
          const calls = (await (await fetch(`${worker.url}/calls`)).json()) as readonly Observed[];
          return calls.filter((each) => each.protocol === protocol);
        },
        close: () => connection.close(),
      };
    },
  });
}
