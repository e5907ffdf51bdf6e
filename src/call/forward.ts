import type { HandlerContext } from "@connectrpc/connect";
import { requestIdHeader, requestIdOf } from "./request-id.ts";
import { traceHeadersOf } from "./trace-context.ts";

/** The options that a further call inherits from the call that it is made for; for a method of a Connect client. */
export interface ForwardedCall {
  /** `X-Request-Id`, and `traceparent` and `tracestate` if the call is part of a trace. */
  readonly headers: Readonly<Record<string, string>>;
  /** Aborted when the call has ended. */
  readonly signal: AbortSignal;
  /** Milliseconds left until the call's deadline, at least 1; missing without a deadline. */
  readonly timeoutMs?: number;
}

/**
 * Lets what a handler calls be part of its own call: under the same request id and in the same trace, no longer than its
 * deadline, and cancelled with it. Nothing else is passed on; above all no credentials.
 *
 * ```ts
 * async render({ markdown }, context) {
 *   const { html } = await spelling.check({ markdown }, forward(context));
 * }
 * ```
 */
export function forward(
  context: Pick<HandlerContext, "values" | "requestHeader" | "signal" | "timeoutMs">,
): ForwardedCall {
  const left = context.timeoutMs();
  return {
    headers: { [requestIdHeader]: requestIdOf(context), ...traceHeadersOf(context) },
    signal: context.signal,
    // Zero would mean no deadline.
    ...(left !== undefined && { timeoutMs: Math.max(1, Math.ceil(left)) }),
  };
}
