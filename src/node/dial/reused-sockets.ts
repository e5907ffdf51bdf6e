import type * as http from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Interceptor, StreamRequest, UnaryRequest } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Address } from "../../address/endpoint.ts";
import { mapRefusal } from "../../client/dialers/failures/refused-response.ts";
import { callError } from "../../ttrpc/client/errors.ts";
import { keepReading } from "../http/keep-reading.ts";

/** A server that ends a connection within so many milliseconds after its response may do so after each. */
const atOnceMs = 1_000;

/** So many ends in a row are no accident: no connection is used again then, for so many milliseconds. */
const endsInARow = 3;
const freshMs = 60_000;

/** The error codes of the system and of Node for a connection that is no more. */
const ended: readonly unknown[] = ["ECONNRESET", "EPIPE"];

/**
 * Heeds that servers end connections, which a request may cross on its way. One that says that it has done nothing leads to
 * PB-CALL-REFUSED, so any call is made again; of those that say nothing it is not known.
 */
export function heedEnds(agent: http.Agent, address: Pick<Address, "text">): readonly Interceptor[] {
  onRequests(agent, (request) => {
    keepOnlyFinished(request);
    request.once("socket", keepReading);
  });
  return [mapRefusal(address, () => dropIdle(agent)), heedDeadSockets(agent, address)];
}

/** Gets each request of an agent, before it has a connection. */
function onRequests(agent: http.Agent, meet: (request: http.ClientRequest) => void) {
  // Node has no other place for that: types leave it out, but agents have always been extended by it.
  const extensible = agent as http.Agent & { addRequest(request: http.ClientRequest, ...more: unknown[]): void };
  const addRequest = extensible.addRequest.bind(agent);
  extensible.addRequest = (request, ...more) => {
    meet(request);
    addRequest(request, ...more);
  };
}

/**
 * Keeps no connection whose response came before the end of its request, such as a stream that its handler has left:
 * the server may be about to break it, so as not to read the rest.
 */
function keepOnlyFinished(request: http.ClientRequest) {
  request.once("response", () => {
    if (!request.writableFinished) {
      request.shouldKeepAlive = false;
    }
  });
}

/** Ends the connections on which no request is: where one was ended, they are most likely, too. */
function dropIdle(agent: http.Agent) {
  for (const free of Object.values(agent.freeSockets).flat()) {
    free?.destroy();
  }
}

/**
 * Heeds that servers of HTTP/1.1 end connections without saying so, some right after a response: the next request goes
 * into a dead socket. A call that may be made twice is then made again, on a fresh connection; any other fails, as the
 * server may have begun with it.
 */
function heedDeadSockets(agent: http.Agent, { text }: Pick<Address, "text">): Interceptor {
  /** Errors of requests that were sent on a socket used before, and had no response. */
  const failures = new WeakSet<Error>();
  const freedAt = new WeakMap<Duplex, number>();
  const { maxFreeSockets } = agent;
  let ends = 0;
  let lastEnd = Number.NEGATIVE_INFINITY;

  function countEnd(reusedAt: number) {
    // Those that were in flight together are one.
    if (reusedAt > lastEnd) {
      lastEnd = performance.now();
      ends += 1;
      agent.maxFreeSockets = ends < endsInARow ? maxFreeSockets : 0;
    }
  }

  function tryAgain() {
    if (agent.maxFreeSockets === 0 && performance.now() - lastEnd >= freshMs) {
      agent.maxFreeSockets = maxFreeSockets;
      ends = endsInARow - 1;
    }
  }

  agent.on("free", (socket: Duplex) => freedAt.set(socket, performance.now()));
  const reuseSocket = agent.reuseSocket.bind(agent);
  agent.reuseSocket = (socket, request) => {
    reuseSocket(socket, request);
    const reusedAt = performance.now();
    const onError = (error: Error) => {
      // Not when the caller has ended the request.
      if (!isEnd(error)) {
        return;
      }
      failures.add(error);
      if (reusedAt - (freedAt.get(socket) ?? Number.NEGATIVE_INFINITY) < atOnceMs) {
        countEnd(reusedAt);
      }
      dropIdle(agent);
    };
    request.once("error", onError);
    request.once("response", () => {
      ends = 0;
      request.off("error", onError);
    });
  };
  const failedReused = (error: unknown): boolean =>
    error instanceof Error && (failures.has(error) || failedReused(error.cause));

  return (next) => async (request) => {
    tryAgain();
    const call = await repeatable(request);
    try {
      return await next(call?.() ?? request);
    } catch (error) {
      if (isOwnDeadline(error)) {
        // Who is silent on one connection may have vanished, and HTTP/1.1 has no pings to find out on the others.
        dropIdle(agent);
      }
      // What has failed may be told to a write before it is told to the request.
      await setImmediate();
      if (!failedReused(error) || request.signal.aborted) {
        throw error;
      }
      if (call !== undefined) {
        return await next(call());
      }
      const message = `${text} has ended the connection without saying so, just as the call was sent on it`;
      throw callError("PB-CONNECTION-LOST", message, { cause: error });
    }
  };
}

function isOwnDeadline(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.DeadlineExceeded && !error.isWireError;
}

function isEnd(error: unknown): boolean {
  return error instanceof Error && (("code" in error && ended.includes(error.code)) || isEnd(error.cause));
}

/** Makes the request each time anew; undefined if it must not be made twice, or can't. */
async function repeatable(
  request: UnaryRequest | StreamRequest,
): Promise<(() => UnaryRequest | StreamRequest) | undefined> {
  const { methodKind, idempotency } = request.method;
  if (
    idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN ||
    (methodKind !== "unary" && methodKind !== "server_streaming")
  ) {
    return undefined;
  }
  if (!request.stream) {
    return () => request;
  }
  const messages = await Array.fromAsync(request.message);
  return () => ({ ...request, message: each(messages) });
}

async function* each<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}
