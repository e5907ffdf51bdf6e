import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { createWakeUp } from "../../base/async/wake-up.ts";
import type { ConnInfo } from "../../gen/plugin/grpc_broker_pb.ts";
import { ConnInfoSchema } from "../../gen/plugin/grpc_broker_pb.ts";

/** The messages of a broker: they go over the call of StartStream that is open, or wait for one. */
export interface ControlStream {
  /** Returns false if too many wait already; the message is then dropped. */
  send(info: MessageInitShape<typeof ConnInfoSchema>): boolean;
  /** Runs one call, in the place of the one before it. */
  run(incoming: AsyncIterable<ConnInfo>): AsyncIterable<ConnInfo>;
  /** Ends the call, and every later one at once. */
  close(): void;
}

/** The receiver of the other side's messages. */
export interface ControlReceiver {
  receive(info: ConnInfo): void;
  /** The call that was open has ended, with an error if it has failed. */
  ended(error: unknown): void;
}

/** Messages that can wait: the other side may cause some that it then doesn't read. */
const maxWaiting = 1024;

/** Makes a stream that waits for its first call. */
export function createControlStream(receiver: ControlReceiver): ControlStream {
  let waiting: ConnInfo[] = [];
  let closed = false;
  /** The call that is open: wakes what sends. */
  let current: { wake(): void } | undefined;

  return {
    send(info) {
      if (waiting.length >= maxWaiting) {
        return false;
      }
      waiting.push(create(ConnInfoSchema, info));
      current?.wake();
      return true;
    },
    run(incoming) {
      const call = createWakeUp();
      current?.wake();
      current = call;
      const end = (error?: unknown) => {
        if (current === call) {
          current = undefined;
          receiver.ended(error);
        }
        call.wake();
      };
      (async () => {
        for await (const info of incoming) {
          if (current !== call) {
            return;
          }
          receiver.receive(info);
        }
      })().then(() => end(), end);

      async function* outgoing() {
        while (current === call && !closed) {
          // One by one: what this call does not get to is the next one's.
          const next = waiting.shift();
          if (next !== undefined) {
            yield next;
            continue;
          }
          await call.woken();
        }
      }
      return outgoing();
    },
    close() {
      closed = true;
      waiting = [];
      current?.wake();
    },
  };
}
