/**
 * Plugboard for OpenTelemetry: traces and metrics of calls. Needs no SDK; without one it does nothing.
 * @module
 */

// Observe: the calls of a plugin, where it is served.

export type { OpenTelemetryOptions } from "./telemetry/open-telemetry.ts";
export { openTelemetry } from "./telemetry/open-telemetry.ts";

// Observe: the calls of a client.

export type { TraceCallsOptions } from "./telemetry/trace-calls.ts";
export { traceCalls } from "./telemetry/trace-calls.ts";
