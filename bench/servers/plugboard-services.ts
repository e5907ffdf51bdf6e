// The plugin with many services: so many as the command line says, all but the first of them made when it starts.
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";
import { type EchoService, file_plugboard_bench_v1_echo } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { socketPath } from "./listening.ts";
import { routes } from "./routes.ts";

const count = Number(process.argv[3] ?? 1);
const plugin = definePlugin({
  name: "many",
  version: "1.0.0",
  routes(router) {
    routes(router);
    for (let index = 1; index < count; index++) {
      router.service(makeService(`Service${index}`), { echo: ({ data }) => ({ data }) });
    }
  },
});

await serve(plugin, { args: ["--listen", `unix:${socketPath}`] });

/** A service in a file of its own, with the messages of EchoService. */
function makeService(name: string): typeof EchoService {
  const [echo] = file_plugboard_bench_v1_echo.proto.service[0]?.method ?? [];
  const file = create(FileDescriptorProtoSchema, {
    name: `plugboard/bench/made/${name}.proto`,
    package: "plugboard.bench.made",
    syntax: "proto3",
    dependency: [file_plugboard_bench_v1_echo.proto.name],
    service: [{ name, ...(echo && { method: [echo] }) }],
  });
  const service = createFileRegistry(file, (dependency) =>
    dependency === file_plugboard_bench_v1_echo.proto.name ? file_plugboard_bench_v1_echo : undefined,
  ).getService(`plugboard.bench.made.${name}`);
  if (service === undefined) {
    throw new Error(`${name} was not made`);
  }
  // Its one method is EchoService's.
  return service as typeof EchoService;
}
