/** The contract of our Go programs, as a plugin. */
import { createClient } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";
import { PingPong, Test } from "../../../gen/interop/goplugin/grpctest_pb.ts";

const plugin = definePlugin({
  name: "test",
  version: "1.0.0",
  protocolVersions: [1, 2],
  routes(router, { broker, protocolVersion }) {
    router.service(Test, {
      double: ({ input }) => ({ output: input * 2 }),
      printKV({ key, value }) {
        // Levels are methods of console; anything else is printed as it is.
        const log = { trace: console.trace, warn: console.warn, error: console.error }[key] ?? console.log;
        log(value.case === "valueString" ? value.value : `version ${protocolVersion}`);
        return {};
      },
      async bidirectional({ id }) {
        if (broker === undefined) {
          throw new Error("there is no broker");
        }
        await using host = await broker.dial(id);
        const { msg } = await createClient(PingPong, host.transport).ping({});
        const own = await broker.serve((router) =>
          router.service(PingPong, { ping: () => ({ msg: `${msg} and back` }) }),
        );
        return { id: own.id };
      },
      async *stream(requests) {
        for await (const { input } of requests) {
          yield { output: input + 1 };
        }
      },
      printStdio({ stdout, stderr }) {
        process.stdout.write(stdout);
        process.stderr.write(stderr);
        return {};
      },
      panic({ message }) {
        setImmediate(() => {
          throw new Error(message);
        });
        return {};
      },
    });
  },
});

await serve(plugin, { handshake: { cookie: { key: "PLUGBOARD_INTEROP", value: "go" } } });
