import { createRouterTransport } from "@connectrpc/connect";
import { connect, definePlugin } from "plugboard";
import { driveMessagePort } from "../contenders/message-port.ts";
import { echoClient, transportClient } from "../contenders/transport-client.ts";
import { drive } from "../drive.ts";
import { EchoService } from "../gen/plugboard/bench/v1/echo_pb.ts";
import type { Effort, Measurement } from "../measurement.ts";
import { formatSize } from "../measurement.ts";
import { routes } from "../servers/routes.ts";
import { inRounds } from "./calls.ts";

/** Unary calls per second to a plugin in the same process, and to Connect's router there; and to a worker thread. */
export async function measureMemory(effort: Effort): Promise<readonly Measurement[]> {
  const connection = await connect(definePlugin({ name: "echo", version: "1.0.0", routes }));
  const router = createRouterTransport(routes);
  const close = () => {};
  const messagePort = await driveMessagePort();
  const all = [
    { name: "memory", oneAtATime: false, driver: drive(echoClient(connection.client(EchoService), close)) },
    { name: "createRouterTransport", oneAtATime: false, driver: drive(transportClient(router, close)) },
    { name: "MessagePort", oneAtATime: false, driver: messagePort },
  ];
  const measurements: Measurement[] = [];
  for (const size of [16, 1024]) {
    for (const concurrency of effort.concurrencies) {
      const title = `in the same process, ${formatSize(size)}, ${concurrency} at once`;
      const shown = await inRounds(title, all, effort, (driver) =>
        driver.unary(size, concurrency, effort.milliseconds),
      );
      measurements.push({ part: "memory", title, unit: "calls/s", size, concurrency, ...shown });
    }
  }
  await connection.close();
  await messagePort.close();
  return measurements;
}
