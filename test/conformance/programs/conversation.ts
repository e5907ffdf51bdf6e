import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ClientCompatRequest } from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { StreamType } from "../gen/connectrpc/conformance/v1/config_pb.ts";

/** A caller's messages and their times, and when it has enough, as a test asks for it. */
export interface Conversation {
  /** The request messages, each at its time. */
  messages<Desc extends DescMessage>(schema: Desc): AsyncIterable<MessageShape<Desc>>;
  readonly sending: {
    /** All that is to be sent is on its way. */
    closed(): void;
    /** So many responses have come. */
    received(count: number): void;
    /** Messages that no one has asked for. */
    unsent(): number;
    /** The call is over. */
    end(): void;
  };
}

/** @param cancelling Cancels the call. */
export function conversation(asked: ClientCompatRequest, cancelling: AbortController): Conversation {
  const { requestMessages, requestDelayMs, streamType, cancel } = asked;
  const timing = cancel?.cancelTiming;
  const expectsMessages =
    streamType === StreamType.CLIENT_STREAM ||
    streamType === StreamType.HALF_DUPLEX_BIDI_STREAM ||
    streamType === StreamType.FULL_DUPLEX_BIDI_STREAM;
  const cancelNow = () => cancelling.abort(new ConnectError("as asked", Code.Canceled));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let taken = 0;
  let received = 0;
  let over = false;
  let wake: (() => void) | undefined;

  /** In full duplex, each request waits for the response to the one before. */
  async function responded(count: number) {
    while (received < count && !over) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  function closed() {
    if (cancel === undefined) {
      return;
    }
    if (timing?.case === undefined) {
      timer = setTimeout(cancelNow, 0);
    } else if (timing.case === "afterCloseSendMs") {
      timer = setTimeout(cancelNow, timing.value);
    }
  }

  return {
    async *messages(schema) {
      for (const any of requestMessages) {
        await new Promise((resolve) => setTimeout(resolve, requestDelayMs));
        const message = anyUnpack(any, schema);
        if (message === undefined) {
          throw new TypeError(`the request is no ${schema.typeName}`);
        }
        taken += 1;
        yield message;
        if (streamType === StreamType.FULL_DUPLEX_BIDI_STREAM) {
          await responded(taken);
        }
      }
      if (timing?.case === "beforeCloseSend") {
        cancelNow();
      }
      closed();
    },
    sending: {
      closed,
      received(count) {
        received = count;
        if (timing?.case === "afterNumResponses" && timing.value === count) {
          cancelNow();
        }
        wake?.();
      },
      unsent: () => (expectsMessages ? requestMessages.length - taken : 0),
      end() {
        over = true;
        clearTimeout(timer);
        wake?.();
      },
    },
  };
}
