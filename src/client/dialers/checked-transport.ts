import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { forwardIterator } from "../../base/async/iterables.ts";
import { requestMessage } from "../../call/messages/check-message.ts";

/**
 * Has Connect's transports refuse what is no message of the method's type, with the error that the other routes have.
 * Some of it they would send as something else.
 */
export function checkRequests(transport: Transport): Transport {
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const message = requestMessage(method.input, input) as typeof input;
      return transport.unary(method, signal, timeoutMs, header, message, contextValues);
    },
    stream(method, signal, timeoutMs, header, input, contextValues) {
      const messages = checked(method.input, input) as typeof input;
      return transport.stream(method, signal, timeoutMs, header, messages, contextValues);
    },
  };
}

function checked<I extends DescMessage>(
  schema: I,
  messages: AsyncIterable<MessageInitShape<I>>,
): AsyncIterable<MessageShape<I>> {
  return forwardIterator(messages, (iterator) => async () => {
    const { done, value } = await iterator.next();
    return done === true ? { done, value } : { done: false, value: requestMessage(schema, value) };
  });
}
