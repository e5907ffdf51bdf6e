/**
 * The contract of our Go programs with a broker, multiplexed or not as the host wants it, from the parts that serve() is
 * made of.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { GRPCController } from "../../../../src/gen/plugin/grpc_controller_pb.ts";
import { createBroker } from "../../../../src/go-plugin/broker/create-broker.ts";
import { brokerRoutes } from "../../../../src/go-plugin/broker/start-stream.ts";
import { createMultiplexer } from "../../../../src/go-plugin/yamux/multiplexer.ts";
import { listen } from "../../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../../src/plugin/running-plugin.ts";
import { PingPong, Test } from "../../../gen/interop/goplugin/grpctest_pb.ts";

const directory = mkdtempSync(join(tmpdir(), "brokered-"));
process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
const path = join(directory, "p.sock");
const maxMessageBytes = 4 * 1024 * 1024;
const multiplexer = process.env.PLUGIN_MULTIPLEX_GRPC === "true" ? createMultiplexer("server") : undefined;
const end = createBroker({
  side: "plugin",
  socketDirectory: directory,
  maxMessageBytes,
  ...(multiplexer && { multiplexer }),
});

const plugin = definePlugin({
  name: "brokered",
  version: "1.0.0",
  routes(router, { broker }) {
    router.service(Test, {
      double: ({ input }) => ({ output: 2 * input }),
      async bidirectional({ id }) {
        if (broker === undefined) {
          throw new Error("there is no broker");
        }
        await using host = await broker.dial(id);
        const { msg } = await createClient(PingPong, host.transport).ping({});
        const own = await broker.serve((ours) => ours.service(PingPong, { ping: () => ({ msg: `${msg} and back` }) }));
        return { id: own.id };
      },
    });
    router.service(GRPCController, {
      shutdown() {
        end.endStream();
        void listener.drain(1_000).then(end.close).then(running.stop);
        return {};
      },
    });
  },
});
const running = await startPlugin(plugin, { broker: end.broker, standardRoutes: [brokerRoutes(end)] });
const listener = await listen(
  running,
  { carrier: "unix", path },
  { ...(multiplexer && { multiplexing: multiplexer }) },
);
process.stdout.write(`1|1|unix|${path}|grpc|${multiplexer === undefined ? "" : "|true"}\n`);
