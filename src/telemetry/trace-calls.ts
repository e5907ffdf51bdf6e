import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Tracer } from "@opentelemetry/api";
import { context, SpanKind, trace } from "@opentelemetry/api";
import { parentOf } from "./parent-span.ts";
import { callAttributes, endAttributes, endSpan, instrumentation, methodName } from "./rpc-conventions.ts";
import { inject } from "./w3c-trace-context.ts";

/** Options for `traceCalls`. */
export interface TraceCallsOptions {
  /** Makes the spans. Default: that of the process's SDK; without one there are none. */
  readonly tracer?: Tracer;
  /** `server.address` of the spans, which the conventions want: where the plugin is. Default: left out. */
  readonly serverAddress?: string;
}

/**
 * Makes a client span of each call, around all routes that it tries, and tells the plugin of it. For connections, and for
 * transports of Connect's.
 *
 * ```ts
 * const connection = await connect(target, { interceptors: [traceCalls()] });
 * ```
 */
export function traceCalls({
  tracer = trace.getTracer(instrumentation),
  serverAddress,
}: TraceCallsOptions = {}): Interceptor {
  return (next) => async (request) => {
    const { method, header, signal, url } = request;
    // A connection's calls take whichever route there is.
    const protocol = url.startsWith("plugboard:") ? "plugboard" : "connect";
    const parent = parentOf(header);
    const span = tracer.startSpan(
      methodName(method),
      {
        kind: SpanKind.CLIENT,
        attributes: {
          ...callAttributes(method, protocol),
          ...(serverAddress !== undefined && { "server.address": serverAddress }),
        },
      },
      parent,
    );
    const inSpan = trace.setSpan(parent, span);
    for (const [name, value] of Object.entries(inject(inSpan))) {
      header.set(name, value);
    }
    let ended = false;
    const end = (error?: ConnectError) => {
      if (!ended) {
        ended = true;
        signal.removeEventListener("abort", onAbort);
        endSpan(span, endAttributes(protocol, error, error !== undefined), error !== undefined);
      }
    };
    // A stream that is cancelled is not read any further.
    const onAbort = () => end(ConnectError.from(signal.reason, Code.Canceled));
    signal.addEventListener("abort", onAbort);
    try {
      const response = await context.with(inSpan, () => next(request));
      if (response.stream) {
        return { ...response, message: untilEnd(response.message, end) };
      }
      end();
      return response;
    } catch (error) {
      end(ConnectError.from(error));
      throw error;
    }
  };
}

async function* untilEnd<T>(messages: AsyncIterable<T>, end: (error?: ConnectError) => void): AsyncGenerator<T> {
  let failure: ConnectError | undefined = new ConnectError("the caller has ended the call", Code.Canceled);
  try {
    yield* messages;
    failure = undefined;
  } catch (error) {
    failure = ConnectError.from(error);
    throw error;
  } finally {
    end(failure);
  }
}
