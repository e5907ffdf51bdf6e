import { type Code, ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import markdown from "../../examples/markdown/plugin.ts";
import { BehaviourService, EchoRequestSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** The history of a call, for Watch to tell. */
interface CallRecord {
  started: boolean;
  aborted: boolean;
  messages: number;
  finished: boolean;
  watched: boolean;
}

const records = new Map<string, CallRecord>();

function recordOf(id: string): CallRecord {
  const record = records.get(id) ?? { started: false, aborted: false, messages: 0, finished: false, watched: false };
  records.set(id, record);
  return record;
}

/** Settles when the caller has gone. */
async function untilAborted(record: CallRecord, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  record.aborted = true;
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

/** A Worker may not wait for a promise that another request settles; it may look again and again. */
async function untilWatched(record: CallRecord): Promise<void> {
  while (!record.watched) {
    await pause();
  }
}

function failure(code: Code, message: string): ConnectError {
  const detail = { desc: EchoRequestSchema, value: { text: "a detail" } };
  return new ConnectError(message, code, { "Retry-After": "7" }, [detail]);
}

/** Beside the Markdown example: what pages want to see of the ways to a plugin. */
export default definePlugin({
  ...markdown,
  routes(router, context) {
    markdown.routes(router, context);
    router.service(BehaviourService, {
      /** Responds with how often it was asked this. May be kept if the text begins with a value of Cache-Control. */
      echo({ text }, { responseHeader }) {
        const record = recordOf(text);
        record.messages += 1;
        const [cacheControl = "", asked] = text.split(" ");
        if (asked !== undefined) {
          responseHeader.set("Cache-Control", cacheControl);
        }
        return { text: `asked ${record.messages} times` };
      },

      fail({ code, message }) {
        throw failure(code, message);
      },

      /** Waits for its caller to go. */
      async hang({ id }, { signal }) {
        const record = recordOf(id);
        record.started = true;
        await untilAborted(record, signal);
        record.finished = true;
        return {};
      },

      watch({ id }) {
        const record = recordOf(id);
        record.watched = true;
        const { started, aborted, messages, finished } = record;
        return { started, aborted, messages, finished };
      },

      /** Sends its fifth message when it was watched. Then fails if it is to, or goes on as long as its caller is there. */
      async *produce({ id, count, size, failCode }, { signal }) {
        const record = recordOf(id);
        signal.addEventListener("abort", () => {
          record.aborted ||= !record.finished;
        });
        record.started = true;
        try {
          for (let index = 0; index < count; index++) {
            if (index === 4) {
              await untilWatched(record);
            }
            record.messages = index + 1;
            yield { index, data: new Uint8Array(size) };
          }
          if (failCode !== 0) {
            throw failure(failCode, "as asked");
          }
          while (size > 0 && !signal.aborted) {
            // workerd notices that a caller has gone when there is something to send.
            yield { data: new Uint8Array(size) };
            await pause();
          }
        } finally {
          record.finished = true;
        }
      },

      /** Responds to each message as it comes. */
      async *converse(requests, { signal }) {
        let record: CallRecord | undefined;
        let index = 0;
        signal.addEventListener("abort", () => {
          if (record !== undefined && !record.finished) {
            record.aborted = true;
          }
        });
        try {
          for await (const { id, text, failCode } of requests) {
            record ??= recordOf(id);
            if (failCode !== 0) {
              throw failure(failCode, "as asked");
            }
            yield { text, index };
            index += 1;
          }
        } finally {
          if (record !== undefined) {
            record.finished = true;
          }
        }
      },
    });
  },
});
