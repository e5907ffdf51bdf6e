import { GRPCStdio, StdioData_Channel } from "../gen/plugin/grpc_stdio_pb.ts";
import type { Routes } from "../plugin/service-table.ts";
import type { OutputCapture } from "./output-capture.ts";

const channels = { stdout: StdioData_Channel.STDOUT, stderr: StdioData_Channel.STDERR } as const;

/** Tells the host what the plugin prints, as go-plugin's plugins do. */
export function stdioRoutes(output: OutputCapture): Routes {
  return (router) =>
    router.service(GRPCStdio, {
      async *streamStdio(_request, { signal }) {
        for await (const { channel, data } of output.read(signal)) {
          yield { channel: channels[channel], data };
        }
      },
    });
}
