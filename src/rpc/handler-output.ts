import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, MethodImplSpec } from "@connectrpc/connect";
import { methodPath } from "../plugin/service-table.ts";
import { checkMessage } from "./check-message.ts";

/** Some message; which one, the contract says. Connect's dispatch drops that type on its way. */
export type AnyMessage = MessageShape<MethodImplSpec["method"]["input"]>;

/**
 * What a handler has given, as a message of its method's type.
 * @throws TypeError that names the method, if it is nothing: somebody has forgotten a `return`.
 */
export function outputOf(method: DescMethod, given: unknown): AnyMessage {
  if (typeof given !== "object" || given === null) {
    const what = given === undefined || given === null ? String(given) : `a ${typeof given}`;
    throw new TypeError(`the handler of ${methodPath(method).slice(1)} gives ${what} instead of a message`);
  }
  // Handlers are typed by the contract; Connect's dispatch drops that type on its way.
  return create(method.output, given as never);
}

type Messages = AsyncIterable<AnyMessage>;

const checked = new WeakMap<MethodImplSpec, MethodImplSpec>();

/** Makes an implementation for Connect's own dispatch, which takes anything for a message, that gives only messages. */
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
    case "unary": {
      const { impl } = spec;
      return { ...spec, impl: async (input: AnyMessage, context: HandlerContext) => check(await impl(input, context)) };
    }
    case "client_streaming": {
      const { impl } = spec;
      return { ...spec, impl: async (input: Messages, context: HandlerContext) => check(await impl(input, context)) };
    }
    case "server_streaming": {
      const { impl } = spec;
      return { ...spec, impl: (input: AnyMessage, context: HandlerContext) => each(impl(input, context)) };
    }
    case "bidi_streaming": {
      const { impl } = spec;
      return { ...spec, impl: (input: Messages, context: HandlerContext) => each(impl(input, context)) };
    }
  }

  async function* each(messages: AsyncIterable<unknown>) {
    for await (const given of messages) {
      yield check(given);
    }
  }
}
