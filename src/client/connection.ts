import type { DescMethodStreaming, DescMethodUnary, DescService } from "@bufbuild/protobuf";
import type { Client, Interceptor, Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { forwardIterator } from "../base/async/iterables.ts";
import type { PlugboardError } from "../base/errors.ts";
import { createPacer } from "../call/fair-stream.ts";
import { requestMetadata } from "../call/messages/metadata.ts";
import { startDeadline } from "../call/time/deadline.ts";
import { untilCallEnds } from "../call/until-call-ends.ts";
import type { Manifest } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { methodPath } from "../plugin/method-path.ts";
import { withDefaultTimeout } from "./calls/default-timeout.ts";
import { heedDeadline } from "./calls/heed-deadline.ts";
import { interceptTransport } from "./calls/intercepted-transport.ts";
import type { MeasuredMessage } from "./calls/message-limit.ts";
import {
  explainTooLarge,
  isTooLarge,
  messageLength,
  messageLimit,
  tooLargeFor,
  tooMuchMetadata,
} from "./calls/message-limit.ts";
import { readLate } from "./calls/read-late.ts";
import { replayMessages, replayStream } from "./calls/replayable-messages.ts";
import { createScopedClient } from "./calls/scoped-client.ts";
import type { Dialer } from "./dialers/dialer.ts";
import { isDialFailure, isRefusal } from "./dialers/dialer.ts";
import type { TransportPool } from "./dialers/transport-pool.ts";
import { clientError } from "./errors.ts";
import type { MethodKind } from "./routes/capability.ts";
import { formatRejections } from "./routes/format-rejections.ts";
import type { Route, Routes } from "./routes/negotiate.ts";

/** Typed clients over the negotiated routes. Closing it ends its calls in flight, and what `connect` has started. */
export interface Connection extends AsyncDisposable {
  /**
   * A typed client, as Connect's createClient makes it; one difference: leaving a `for await` loop over a response
   * early cancels the call.
   */
  client<Service extends DescService>(service: Service): Client<Service>;
  /** For each kind of method: the routes, best first, and what was skipped, with the reasons. */
  readonly routes: Routes;
  /**
   * The plugin's manifest; undefined for a server without PluginService, and for a plugin with `auth` that does not
   * know the caller: its public methods can be called all the same.
   */
  readonly manifest: Manifest | undefined;
  /** A Connect transport over the routes, for libraries that want one. */
  readonly transport: Transport;
  /**
   * Ends calls in flight and frees everything; further calls of `close` return the first one's promise.
   * @param reason The error of calls in flight and later ones. Default: PB-CONNECTION-CLOSED.
   */
  close(reason?: Error): Promise<void>;
}

/** The parts of a connection. */
export interface ConnectionParts {
  readonly routes: Routes<Dialer>;
  readonly manifest: Manifest | undefined;
  readonly pool: TransportPool;
  /** Go on to the next route where that is safe. */
  readonly fallback: boolean;
  /** Run around every call, once whichever routes it tries. */
  readonly interceptors: readonly Interceptor[];
  /** Deadline of calls without one of their own, in milliseconds. */
  readonly timeoutMs: number | undefined;
  /** Runs when the connection has closed. */
  readonly onClose: () => Promise<void>;
}

/** Makes a connection over routes that were negotiated. */
export function createConnection(parts: ConnectionParts): Connection {
  const { routes, manifest, pool, fallback, interceptors, timeoutMs, onClose } = parts;
  let closing: Promise<void> | undefined;
  let closeReason: Error | undefined;

  /**
   * Makes a call over the best route and, where that is safe, over the next ones until one is reached that takes its
   * message.
   * @param metadata The metadata as it is sent.
   * @param message Its message, where that is known before it is sent.
   */
  function overRoutes<T>(
    method: DescMethodUnary | DescMethodStreaming,
    timeoutMs: number | undefined,
    run: (transport: Transport, timeoutMs: number | undefined) => Promise<T>,
    canRepeat: () => boolean,
    metadata: Headers | undefined,
    message?: MeasuredMessage,
  ): Promise<T> {
    if (closeReason !== undefined) {
      return Promise.reject(closeReason);
    }
    const [best, ...others] = routes[method.methodKind].routes;
    if (best === undefined) {
      return Promise.reject(noRoute(method, routes));
    }
    const deadline = startDeadline(timeoutMs);
    const next = fallback ? others : [];
    const attempt = (route: Route<Dialer>) => {
      const problem =
        tooMuchMetadata(route, metadata) ??
        (message && tooLargeFor(route, next.slice(next.indexOf(route) + 1), message));
      return problem === undefined ? run(pool.get(route), deadline?.left()) : Promise.reject(problem);
    };
    return attempt(best).catch(async (error: unknown) => {
      let failure = explainTooLarge(error, best, message);
      let tried = best;
      /** The message is known to be longer than this, in bytes. */
      let tooShort = -1;
      // A server that stops refuses calls on the connection that it closes; the same route may lead to its successor.
      for (const route of isRefusal(error) ? [best, ...next] : next) {
        // Only these errors say that nothing was processed, and so that trying again can't repeat anything.
        const large = isTooLarge(failure);
        const nothingDone = large || isDialFailure(failure) || isRefusal(failure);
        if (!nothingDone || !canRepeat() || closeReason !== undefined) {
          break;
        }
        if (large) {
          tooShort = messageLimit(tried.endpoint);
        }
        if (messageLimit(route.endpoint) <= tooShort) {
          continue;
        }
        tried = route;
        try {
          return await attempt(route);
        } catch (thrown) {
          failure = explainTooLarge(thrown, route, message);
        }
      }
      throw failure;
    });
  }

  const direct: Transport = {
    unary(method, signal, timeoutMs, header, input, contextValues) {
      try {
        const metadata = requestMetadata(header);
        return overRoutes(
          method,
          timeoutMs,
          (each, left) => each.unary(method, signal, left, metadata, input, contextValues),
          always,
          metadata,
          { measure: () => messageLength(method.input, input), streams: false },
        );
      } catch (error) {
        return Promise.reject(error);
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const single = method.methodKind === "server_streaming";
      const deadline = startDeadline(timeoutMs);
      const metadata = requestMetadata(header);
      const waiting = { signal, timeoutMs: deadline?.left() };
      const only = single ? await untilCallEnds(Array.fromAsync(input), waiting) : undefined;
      const messages = only === undefined ? replayStream(pace(input)) : replayMessages(only);
      const [message] = only ?? [];
      try {
        const response = await overRoutes(
          method,
          deadline?.left(),
          (each, left) => each.stream(method, signal, left, metadata, messages.replay(), contextValues),
          messages.canReplay,
          metadata,
          message && { measure: () => messageLength(method.input, message), streams: true },
        );
        messages.keep();
        return response;
      } catch (error) {
        messages.endUnused(error);
        throw error;
      }
    },
  };
  const transport = readLate(withDefaultTimeout(interceptTransport(heedDeadline(direct), interceptors), timeoutMs));

  function close(reason?: Error): Promise<void> {
    const because = reason ?? clientError("PB-CONNECTION-CLOSED", "the connection is closed");
    closeReason ??= because;
    closing ??= pool.close(because).then(onClose);
    return closing;
  }

  return {
    client: (service) => createScopedClient(service, transport),
    routes,
    manifest,
    transport,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** A caller whose messages need no waiting would otherwise keep its own process from everything else. */
function pace<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  return forwardIterator(messages, (iterator) => {
    const pacer = createPacer();
    return async () => {
      await pacer();
      try {
        return await iterator.next();
      } catch (error) {
        // The same over every route, whatever runtimes make of it.
        throw ConnectError.from(error, Code.Internal);
      }
    };
  });
}

const always = () => true;

function noRoute(method: DescMethodUnary | DescMethodStreaming, routes: Routes): PlugboardError {
  const kind: MethodKind = method.methodKind;
  const reasons = formatRejections(routes[kind].rejected).map((line) => `\n- ${line}`);
  return clientError(
    "PB-ROUTE-NONE",
    `no route carries ${methodPath(method).slice(1)}, which is ${kind.replace("_", "-")}${reasons.join("")}`,
    {
      hint:
        "Reach the plugin where every kind of method is carried: in process, by a Unix socket, by tcp:, from a Worker by " +
        "service binding, or by a WebSocket, which a Worker has by `edge(plugin, { webSockets })`.",
    },
  );
}
