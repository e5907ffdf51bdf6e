import type { DescMethodStreaming, DescMethodUnary, DescService } from "@bufbuild/protobuf";
import type { Client, Transport } from "@connectrpc/connect";
import type { Manifest } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { isPlugboardError, PlugboardError } from "../plugin/errors.ts";
import { methodPath } from "../plugin/service-table.ts";
import type { Attempt } from "./attempt.ts";
import { withAttempt } from "./attempt.ts";
import { createCancellingClient } from "./cancelling-client.ts";
import type { MethodKind } from "./capability.ts";
import type { Dialer } from "./dialer.ts";
import { lendMessages, lendStream } from "./lender.ts";
import type { Routes } from "./negotiate.ts";
import type { TransportPool } from "./transport-pool.ts";

/** Typed clients over the negotiated routes. Closing it ends its calls in flight, and what `connect` has started. */
export interface Connection extends AsyncDisposable {
  /**
   * A typed client, as Connect's createClient makes it; one difference: leaving a `for await` loop over a response
   * early cancels the call.
   */
  client<Service extends DescService>(service: Service): Client<Service>;
  /** For each kind of method: the routes, best first, and what was passed over, with the reasons. */
  readonly routes: Routes;
  /** What the plugin says of itself; undefined for a server without PluginService. */
  readonly manifest: Manifest | undefined;
  /** A Connect transport over the routes, for libraries that want one. */
  readonly transport: Transport;
  /**
   * Ends calls in flight and frees everything; further calls of `close` return the first one's promise.
   * @param reason What calls fail with, those in flight and later ones. Default: PB-CONNECTION-CLOSED.
   */
  close(reason?: Error): Promise<void>;
}

/** What a connection is made of. */
export interface ConnectionParts {
  readonly routes: Routes<Dialer>;
  readonly manifest: Manifest | undefined;
  readonly pool: TransportPool;
  /** Go on to the next route where that is safe. */
  readonly fallback: boolean;
  /** Runs when the connection has closed. */
  readonly onClose: () => Promise<void>;
}

/** Makes a connection over routes that were negotiated. */
export function createConnection({ routes, manifest, pool, fallback, onClose }: ConnectionParts): Connection {
  const calls = new Set<AbortController>();
  let closing: Promise<void> | undefined;
  let closeReason: Error | undefined;

  const transport: Transport = {
    unary(method, signal, timeoutMs, header, input, contextValues) {
      return call(method, signal, async (through, callSignal, done) => {
        try {
          return await through((each, attempt) =>
            each.unary(method, callSignal, timeoutMs, header, input, withAttempt(contextValues, attempt)),
          );
        } finally {
          done();
        }
      });
    },
    stream(method, signal, timeoutMs, header, input, contextValues) {
      return call(method, signal, async (through, callSignal, done) => {
        const single = method.methodKind === "server_streaming";
        const lender = single ? lendMessages(await Array.fromAsync(input)) : lendStream(input);
        try {
          const response = await through(
            (each, attempt) =>
              each.stream(method, callSignal, timeoutMs, header, lender.lend(), withAttempt(contextValues, attempt)),
            lender.canLendAgain,
          );
          return { ...response, message: whenDone(response.message, done) };
        } catch (error) {
          done();
          await lender.giveBack(error);
          throw error;
        }
      });
    },
  };

  type Through = <T>(
    run: (transport: Transport, attempt: Attempt) => Promise<T>,
    canRepeat?: () => boolean,
  ) => Promise<T>;

  /** Runs a call under a signal that the connection's end aborts too. */
  function call<T>(
    method: DescMethodUnary | DescMethodStreaming,
    signal: AbortSignal | undefined,
    run: (through: Through, callSignal: AbortSignal, done: () => void) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal?.reason);
    calls.add(controller);
    if (signal?.aborted) {
      onAbort();
    }
    signal?.addEventListener("abort", onAbort);
    const done = () => {
      calls.delete(controller);
      signal?.removeEventListener("abort", onAbort);
    };
    const through: Through = async (runOn, canRepeat = () => true) => {
      if (closeReason !== undefined) {
        throw closeReason;
      }
      let unreached: unknown;
      for (const route of routes[method.methodKind].routes) {
        const attempt: Attempt = { reached: false };
        try {
          return await runOn(pool.get(route), attempt);
        } catch (error) {
          // Only this error says that nothing has been sent, and so that trying again can't repeat anything.
          if (!isPlugboardError(error, "PB-DIAL-FAILED") || attempt.reached || !fallback || !canRepeat()) {
            throw error;
          }
          unreached = error;
        }
      }
      throw unreached ?? noRoute(method, routes);
    };
    return run(through, controller.signal, done);
  }

  function close(reason?: Error): Promise<void> {
    closeReason ??= reason ?? new PlugboardError("PB-CONNECTION-CLOSED", "the connection is closed");
    closing ??= (async () => {
      for (const controller of calls) {
        controller.abort(closeReason);
      }
      calls.clear();
      await pool.close();
      await onClose();
    })();
    return closing;
  }

  return {
    client: (service) => createCancellingClient(service, transport),
    routes,
    manifest,
    transport,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

function noRoute(method: DescMethodUnary | DescMethodStreaming, routes: Routes): PlugboardError {
  const kind: MethodKind = method.methodKind;
  const reasons = routes[kind].rejected.map((each) => `\n- ${each.endpoint}: ${each.reason}`);
  return new PlugboardError(
    "PB-ROUTE-NONE",
    `no route carries ${methodPath(method).slice(1)}, which is ${kind.replace("_", "-")}${reasons.join("")}`,
    {
      hint:
        "Reach the plugin where every kind of method is carried: in process, by a Unix socket, by tcp:, " +
        "or from a Worker by service binding.",
    },
  );
}

async function* whenDone<T>(messages: AsyncIterable<T>, done: () => void): AsyncGenerator<T> {
  try {
    yield* messages;
  } finally {
    done();
  }
}
