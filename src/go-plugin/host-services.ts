import { setImmediate } from "node:timers/promises";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { untilAborted } from "../base/async/until-aborted.ts";
import { createCallScope } from "../client/calls/call-scope.ts";
import type { Connection } from "../client/connection.ts";
import { isDialFailure } from "../client/dialers/dialer.ts";
import { clientError } from "../client/errors.ts";
import { GRPCController } from "../gen/plugin/grpc_controller_pb.ts";
import { GRPCStdio, StdioData_Channel } from "../gen/plugin/grpc_stdio_pb.ts";
import type { Broker } from "../plugin/broker.ts";
import type { BrokerOptions } from "./broker/create-broker.ts";
import { createBroker } from "./broker/create-broker.ts";
import { startBrokerStream } from "./broker/start-stream.ts";
import type { OutputLine } from "./plugin-output.ts";
import { createLineSplitter, maxLineBytes } from "./process-output.ts";

/** The services that plugins made with go-plugin have for their host. A plugin may lack any of them. */
export interface GoPluginServices {
  /** The connection's transport, for the calls of the plugin's user. */
  readonly transport: Transport;
  /** For further connections; undefined if none were wanted. */
  readonly broker: Broker | undefined;
  /**
   * Ends the calls of `transport`, with a reason, then tells the plugin to end. Returns false if it does not know how, or
   * can't be told.
   */
  shutdown(timeoutMs: number, reason: Error | undefined): Promise<boolean>;
  close(): Promise<void>;
}

/** The parts of the host that they need. */
export interface GoPluginServicesOptions {
  /** Gets what the plugin prints. */
  readonly printed: (line: OutputLine) => void;
  /** For the broker; see createBroker. Default: there is none. */
  readonly broker?: Pick<BrokerOptions, "socketDirectory" | "maxMessageBytes" | "log" | "secure">;
}

/** Bytes of a message that are split into lines at once; pieces of go-plugin have 1 KiB. */
const maxTurnBytes = 16 * 1024;

/** Milliseconds that a plugin that ends may take to send its last output. */
const lateOutputMs = 500;

/**
 * Uses them as go-plugin's hosts do: both streams are opened at once, as the plugin's printing waits until its output
 * is taken, and its dialling until it is told where.
 */
export function useGoPluginServices(
  connection: Pick<Connection, "transport">,
  { printed, broker: brokerOptions }: GoPluginServicesOptions,
): GoPluginServices {
  const closing = new AbortController();
  const mirrored = mirrorOutput(connection.transport, printed, closing.signal);
  const brokerEnd = brokerOptions && createBroker({ side: "host", ...brokerOptions });
  if (brokerEnd !== undefined) {
    startBrokerStream(brokerEnd, connection.transport, closing.signal);
  }
  const { transport, end } = createCallScope(connection.transport);
  return {
    transport,
    broker: brokerEnd?.broker,
    async shutdown(timeoutMs, reason) {
      end(reason ?? clientError("PB-CONNECTION-CLOSED", "the connection is closed"));
      brokerEnd?.endStream();
      try {
        await createClient(GRPCController, connection.transport).shutdown({}, { timeoutMs });
        // What it prints last.
        await untilAborted(AbortSignal.timeout(lateOutputMs), mirrored).catch(() => undefined);
        return true;
      } catch (error) {
        // Plugins made with go-plugin break the connection before they have responded.
        return !isDialFailure(error) && ConnectError.from(error).code !== Code.Unimplemented;
      }
    },
    async close() {
      closing.abort(new ConnectError("the host has closed the plugin", Code.Canceled));
      await brokerEnd?.close();
    },
  };
}

/** Reads to the end of the plugin, or until the signal. `printed` never throws. */
async function mirrorOutput(transport: Transport, printed: (line: OutputLine) => void, signal: AbortSignal) {
  const stdout = createLineSplitter(maxLineBytes, (text) => printed({ stream: "stdout", text }));
  const stderr = createLineSplitter(maxLineBytes, (text) => printed({ stream: "stderr", text }));
  const chunks = createClient(GRPCStdio, transport).streamStdio({}, { signal })[Symbol.asyncIterator]();
  for (;;) {
    // It fails where there is no such service, and when the plugin ends.
    const next = await chunks.next().catch(() => undefined);
    if (next === undefined || next.done === true) {
      break;
    }
    const { channel, data } = next.value;
    const splitter =
      channel === StdioData_Channel.STDOUT ? stdout : channel === StdioData_Channel.STDERR ? stderr : undefined;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < bytes.byteLength && splitter !== undefined; at += maxTurnBytes) {
      splitter.add(bytes.subarray(at, at + maxTurnBytes));
      if (at + maxTurnBytes < bytes.byteLength) {
        // Messages can be large, and all else has its turn, too.
        await setImmediate();
        if (signal.aborted) {
          return;
        }
      }
    }
  }
  stdout.end();
  stderr.end();
}
