import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, MethodImplSpec } from "@connectrpc/connect";
import { methodPath } from "../../plugin/method-path.ts";
import { checkMessage } from "../messages/check-message.ts";

/** Some message; which one, the contract says. Connect's dispatch drops that type on its way. */
export type AnyMessage = MessageShape<MethodImplSpec["method"]["input"]>;

/**
 * A handler's result, as a message of its method's type.
 * @throws TypeError that names the method, if there is no result, as when a `return` was forgotten.
 */
export function outputOf(method: DescMethod, given: unknown): AnyMessage {
  if (typeof given !== "object" || given === null) {
    const what = given === undefined || given === null ? String(given) : `a ${typeof given}`;
    throw new TypeError(`the handler of ${methodPath(method).slice(1)} returned ${what} instead of a message`);
  }
  // Handlers are typed by the contract; Connect's dispatch drops that type on its way.
  return create(method.output, given as never);
}

const checked = new WeakMap<MethodImplSpec, MethodImplSpec>();

/**
 * Makes an implementation for Connect's own dispatch that gives only messages, where Connect's takes anything for one, and
 * that is not run for a call which has ended while interceptors ran: handlers that wait for `abort` would wait for ever.
 */
export function checkOutput(spec: MethodImplSpec): MethodImplSpec {
  let known = checked.get(spec);
  if (known === undefined) {
    known = createChecked(spec);
    checked.set(spec, known);
  }
  return known;
}

function createChecked(spec: MethodImplSpec): MethodImplSpec {
  const check = (given: unknown) => {
    const message = outputOf(spec.method, given);
    checkMessage(spec.method.output, message);
    return message;
  };
  switch (spec.kind) {
    case "unary":
      return { ...spec, impl: one(spec.impl) };
    case "client_streaming":
      return { ...spec, impl: one(spec.impl) };
    case "server_streaming":
      return { ...spec, impl: each(spec.impl) };
    case "bidi_streaming":
      return { ...spec, impl: each(spec.impl) };
  }

  function one<Input>(impl: (input: Input, context: HandlerContext) => unknown) {
    return async (input: Input, context: HandlerContext) => {
      context.signal.throwIfAborted();
      return check(await impl(input, context));
    };
  }

  function each<Input>(impl: (input: Input, context: HandlerContext) => AsyncIterable<unknown>) {
    return async function* (input: Input, context: HandlerContext) {
      context.signal.throwIfAborted();
      for await (const given of impl(input, context)) {
        yield check(given);
      }
    };
  }
}
