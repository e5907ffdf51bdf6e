import type { Attributes, Meter } from "@opentelemetry/api";
import { metrics } from "@opentelemetry/api";
import type { CallOutcome } from "../call/call-observer.ts";
import { instrumentation } from "./rpc-conventions.ts";

/** Boundaries in seconds, as the conventions want them. */
const durations = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Boundaries in bytes. */
const sizes = [0, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/** Counts calls on the plugin's side. */
export interface CallMetrics {
  begin(attributes: Attributes): void;
  /** @param ended The attributes that are known at the end, beside those that the call began with. */
  end(attributes: Attributes, ended: Attributes, seconds: number, outcome: CallOutcome): void;
}

/** Makes the instruments. How many calls there were, and how many failed, the duration's histogram tells. */
export function createCallMetrics(meter: Meter = metrics.getMeter(instrumentation)): CallMetrics {
  const duration = meter.createHistogram("rpc.server.call.duration", {
    description: "Duration of incoming calls.",
    unit: "s",
    advice: { explicitBucketBoundaries: durations },
  });
  const active = meter.createUpDownCounter("plugboard.server.active_calls", {
    description: "Incoming calls in flight.",
    unit: "{call}",
  });
  const requestSize = meter.createHistogram("plugboard.server.request.size", {
    description: "Bytes of the messages of an incoming call's request.",
    unit: "By",
    advice: { explicitBucketBoundaries: sizes },
  });
  const responseSize = meter.createHistogram("plugboard.server.response.size", {
    description: "Bytes of the messages of an incoming call's response.",
    unit: "By",
    advice: { explicitBucketBoundaries: sizes },
  });
  return {
    begin: (attributes) => active.add(1, attributes),
    end(attributes, ended, seconds, { requestBytes, responseBytes }) {
      active.add(-1, attributes);
      const all = { ...attributes, ...ended };
      duration.record(seconds, all);
      if (requestBytes !== undefined) {
        requestSize.record(requestBytes, all);
      }
      if (responseBytes !== undefined) {
        responseSize.record(responseBytes, all);
      }
    },
  };
}
