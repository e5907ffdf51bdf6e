import type { HandlerContext, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { untilAborted } from "../base/async/until-aborted.ts";
import { maxTimerMs } from "../base/async/within.ts";
import { Call, callEnded } from "../call/call.ts";
import type { CallPolicy } from "../call/call-policy.ts";
import { blameCaller, checkQuery, explainRefusal } from "../call/errors/callers-mistake.ts";
import { revealErrors } from "../call/errors/error-for-caller.ts";
import { createPacer } from "../call/fair-stream.ts";
import { dropUnsendable } from "../call/messages/metadata.ts";
import { passGate } from "../call/request-gate.ts";
import type { LimitedBody } from "./limited-body.ts";
import { bodyTooLong, limitBody } from "./limited-body.ts";
import { hasTimeout, shortenTimeout } from "./timeout-header.ts";

const callKey = createContextKey<HttpCall | undefined>(undefined, { description: "call over HTTP" });

/**
 * Handles one call over HTTP as the policy wants it.
 * @param keepAlive Is given what may still run after the response: a handler that cleans up.
 */
export async function handleCall(
  handle: UniversalHandler,
  request: UniversalServerRequest,
  policy: CallPolicy,
  keepAlive: (running: Promise<unknown>) => void,
): Promise<UniversalServerResponse> {
  const call = new HttpCall(handle, request, policy, keepAlive);
  try {
    return call.respond(explainRefusal(await handle(call.request), handle));
  } catch (error) {
    call.end();
    throw error;
  }
}

/** The gate of every method over HTTP: what the call's policy has before anything of the body is read. */
export function gateCall(context: HandlerContext): Promise<void> | undefined {
  return context.values.get(callKey)?.gate(context);
}

/** Runs a handler as the call's observer wants it, and ends the call with its signal, also if the handler goes on. */
export const runInCall: Interceptor = (next) => async (request) => {
  const { contextValues, signal } = request;
  const call = contextValues.get(callKey);
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const handlerEnds = () => resolve();
  call?.handle();
  // Now, as a platform may take nothing more for a call whose caller has gone.
  call?.keepAlive(over);
  const fail = (error: unknown): never => {
    call?.dropUnsendable();
    throw error;
  };
  const run = <T>(piece: () => T): T => (call === undefined ? piece() : call.run(piece));
  const running = run(() => next(request));
  if (!request.stream) {
    running.then(handlerEnds, handlerEnds);
    try {
      return await untilAborted(signal, running);
    } catch (error) {
      return fail(error);
    }
  }
  const response = await untilAborted(signal, running).catch((error: unknown) => {
    // An interceptor may still wait for something. Its response is not read any more.
    running.then(closeUnread).then(handlerEnds, handlerEnds);
    return fail(error);
  });
  if (!response.stream) {
    handlerEnds();
    return response;
  }
  const messages = response.message[Symbol.asyncIterator]();
  // The handler may be waiting for something else, so this does not wait for its finally blocks.
  const close = () => void Promise.resolve(messages.return?.()).then(handlerEnds, handlerEnds);
  // Also when the caller has stopped reading, and so the next message is never asked for.
  signal.addEventListener("abort", close, { once: true });
  return { ...response, message: untilSignal() };

  async function* untilSignal() {
    const pacer = createPacer();
    try {
      for (;;) {
        const reading = run(() => messages.next());
        const result = await untilAborted(signal, reading);
        if (result.done === true) {
          return;
        }
        yield result.value;
        const pause = pacer();
        if (pause !== undefined) {
          await pause;
        }
      }
    } catch (error) {
      fail(error);
    } finally {
      signal.removeEventListener("abort", close);
      close();
    }
  }
};

async function closeUnread(response: Awaited<ReturnType<Parameters<Interceptor>[0]>>) {
  if (response.stream) {
    await response.message[Symbol.asyncIterator]().return?.();
  }
}

/** One call over HTTP. */
class HttpCall extends Call {
  readonly request: UniversalServerRequest;
  readonly keepAlive: (running: Promise<unknown>) => void;
  readonly #policy: CallPolicy;
  /** Aborted when the caller has gone, and when all is over. */
  readonly #callerSignal: AbortSignal;
  readonly #body: LimitedBody | undefined;
  /** Is expected to move on; a unary call's handler may take its time. */
  readonly #streams: boolean;
  /** The refusal of a request that announces that it is too long. */
  readonly #tooLong: ConnectError | undefined;
  /** Ends the call for its handler when it has been idle for too long. */
  readonly #ending: AbortController | undefined;
  #context: HandlerContext | undefined;
  /** True once the handler has begun. */
  #handled = false;
  /** Set once the caller doesn't want the rest of the response. */
  #left: ConnectError | undefined;

  constructor(
    { method }: UniversalHandler,
    request: UniversalServerRequest,
    policy: CallPolicy,
    keepAlive: (running: Promise<unknown>) => void,
  ) {
    super();
    const { maxBodyBytes, maxMessageBytes, maxDeadlineMs, idleTimeoutMs } = policy.limits;
    this.#policy = policy;
    this.keepAlive = keepAlive;
    this.#streams = method.methodKind !== "unary";
    const oneMessage = method.methodKind === "unary" || method.methodKind === "server_streaming";
    const maxBytes = oneMessage ? maxBodyBytes : undefined;
    let { header, signal, body, contextValues = createContextValues() } = request;
    this.#callerSignal = signal;
    if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) {
      const onBytes = (byteLength: number) => {
        this.requestBytes += byteLength;
        this.moved();
      };
      // Connect has a unary call's message in the body as it is; all else comes in envelopes.
      const enveloped = this.#streams || /^application\/grpc/i.test(header.get("Content-Type") ?? "");
      this.#body = limitBody(body, {
        maxBytes,
        idleTimeoutMs: oneMessage ? idleTimeoutMs : undefined,
        boundaries: { kind: enveloped ? "envelopes" : "body", maxMessageBytes },
        onBytes,
      });
      body = this.#body;
    }
    if (maxBytes !== undefined && Number(header.get("Content-Length") ?? 0) > maxBytes) {
      this.#tooLong = bodyTooLong(maxBytes);
    }
    if (maxDeadlineMs !== undefined || hasTimeout(header)) {
      header = new Headers(header);
      const timeoutMs = shortenTimeout(header, Math.min(maxDeadlineMs ?? maxTimerMs, maxTimerMs));
      if (maxDeadlineMs !== undefined) {
        this.startDeadline(timeoutMs ?? maxDeadlineMs);
      }
    }
    if (this.#streams && idleTimeoutMs !== undefined) {
      this.#ending = new AbortController();
      signal = AbortSignal.any([signal, this.#ending.signal]);
      this.expectMoves(idleTimeoutMs);
    }
    contextValues.set(callKey, this);
    if (policy.revealErrors) {
      revealErrors(contextValues);
    }
    this.request = { ...request, header, signal, body, contextValues };
  }

  /** Its handler begins: a unary call's when the request is parsed. */
  handle(): void {
    this.#handled = true;
  }

  /** Leaves out what can't be sent of what the handler has set before it failed. */
  dropUnsendable(): void {
    const { log } = this.#policy;
    dropUnsendable(this.#context?.responseHeader, "response's header", log);
    dropUnsendable(this.#context?.responseTrailer, "response's trailer", log);
  }

  /** Runs before anything of the body is read. */
  async gate(context: HandlerContext): Promise<void> {
    this.#context = context;
    blameCaller(context, () => !this.#handled || this.#streams);
    const { observer, gate, log } = this.#policy;
    this.observe(observer, context);
    if (this.#tooLong !== undefined) {
      throw this.#tooLong;
    }
    checkQuery(context);
    if (gate !== undefined) {
      await passGate(gate, context, log);
    }
  }

  /** Follows the response until it has left. */
  respond(response: UniversalServerResponse): UniversalServerResponse {
    const { body } = response;
    if (body === undefined) {
      this.end();
      return response;
    }
    const iterator = body[Symbol.asyncIterator]();
    const next = async () => {
      try {
        const result = await iterator.next();
        if (result.done === true) {
          this.end();
        } else {
          this.responseBytes += result.value.byteLength;
          this.moved();
        }
        return result;
      } catch (error) {
        this.end();
        throw error;
      }
    };
    // Those who serve for a platform end a body by either of them.
    const leave = async (how: () => Promise<IteratorResult<Uint8Array>> | undefined) => {
      if (!this.ended) {
        this.#left = new ConnectError("the caller stopped reading the response", Code.Canceled);
        // The handler may be waiting for something, before which nothing else would reach it.
        this.#ending?.abort(this.#left);
      }
      try {
        return (await how()) ?? { done: true as const, value: undefined };
      } finally {
        this.end();
      }
    };
    const ended = {
      next,
      return: () => leave(() => iterator.return?.()),
      throw: (error: unknown) => leave(() => iterator.throw?.(error) ?? iterator.return?.()),
    };
    return { ...response, body: { [Symbol.asyncIterator]: () => ended } };
  }

  /** The call has ended, in whatever way. */
  end(): void {
    if (this.ended) {
      return;
    }
    this.markEnded();
    // A handler that still reads would go on for as long as the caller sends.
    this.#body?.fail(callEnded());
    if (this.observed) {
      this.endObservation(this.#failure());
    }
  }

  /** Connect ends the handler of a call whose deadline has passed, too; not one that waits for the body. */
  protected expire(error: ConnectError): void {
    this.#body?.fail(error);
    this.#ending?.abort(error);
  }

  /** Connect aborts a call's signal with what the call failed with, and with an error of the platform's if it went well. */
  #failure(): ConnectError | undefined {
    const reason: unknown = this.#context?.signal.reason;
    const { aborted, reason: gone } = this.#callerSignal;
    if (aborted && reason === gone) {
      return new ConnectError("the caller closed the connection", Code.Canceled, undefined, undefined, gone);
    }
    if (reason instanceof ConnectError) {
      return reason;
    }
    if (this.#left !== undefined) {
      return this.#left;
    }
    const wentWell = reason === undefined || (reason instanceof DOMException && reason.name === "AbortError");
    return wentWell ? undefined : new ConnectError("internal error", Code.Internal, undefined, undefined, reason);
  }
}
