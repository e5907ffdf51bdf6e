import { type Code, ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { clientError } from "../../src/client/errors.ts";
import { BehaviourService, EchoRequestSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { misbehaviour } from "./misbehaviour.ts";

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
  const known = records.get(id);
  if (known !== undefined) {
    return known;
  }
  const record = { started: false, aborted: false, messages: 0, finished: false, watched: false };
  records.set(id, record);
  return record;
}

/** Notes that a call has begun, and if it is aborted before it is done. */
function track(id: string, signal: AbortSignal): CallRecord {
  const record = recordOf(id);
  record.started = true;
  const onAbort = () => {
    if (!record.finished) {
      record.aborted = true;
    }
  };
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) {
    onAbort();
  }
  return record;
}

/** A Worker may not wait for a promise that another request settles; it may look again and again. */
async function untilWatched(record: CallRecord): Promise<void> {
  while (!record.watched) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Stands for an error that Plugboard raised when the plugin itself called another one. */
const plugboardErrorCode = 17;

function failIfAsked(code: number) {
  if (code === plugboardErrorCode) {
    throw clientError("PB-DIAL-FAILED", "can't connect to unix:/run/swordfish.sock");
  }
  if (code !== 0) {
    throw new ConnectError("as asked", code as Code);
  }
}

/**
 * Reads how a handler of a stream of requests leaves it early: after how many messages, and with which code if not
 * well.
 */
function leavesEarly(requestHeader: Headers): { readonly taken: number; readonly failCode: number } {
  const taken = requestHeader.get("x-behaviour-taken");
  return {
    taken: taken === null ? Number.POSITIVE_INFINITY : Number(taken),
    failCode: Number(requestHeader.get("x-behaviour-fail-code") ?? 0),
  };
}

export default definePlugin({
  name: "behaviour",
  version: "1.2.3-test.1",
  protocolVersions: [1, 2],
  routes(router) {
    router.service(BehaviourService, {
      echo: ({ text, data }) => ({ text, data }),

      inspect(_request, { requestHeader, responseHeader, responseTrailer, timeoutMs, protocolName }) {
        const binary = requestHeader.get("x-behaviour-bin");
        const header = requestHeader.get("x-behaviour") ?? "";
        const echo = header === "beyond" ? "gr\u00fc\u00dfe \u0080\u00ff" : header;
        responseHeader.set("x-echo", echo);
        responseTrailer.set("x-echo-trailer", echo);
        if (header === "long") {
          responseHeader.set("x-long", "x".repeat(5 * 1024 * 1024));
          responseTrailer.set("x-long", "x".repeat(5 * 1024 * 1024));
        }
        responseHeader.set("x-response", "header");
        responseHeader.append("x-response-twice", "one");
        responseHeader.append("x-response-twice", "two");
        responseTrailer.set("x-response-trailer", "trailer");
        return {
          header,
          binaryHeader:
            binary === null ? new Uint8Array() : Uint8Array.from(atob(binary), (char) => char.charCodeAt(0)),
          timeoutMs: timeoutMs() ?? -1,
          protocol: protocolName,
        };
      },

      fail({ code, message }) {
        if (code === 0) {
          throw new Error(message);
        }
        if (code === plugboardErrorCode) {
          failIfAsked(code);
        }
        const detail = { desc: EchoRequestSchema, value: { text: "a detail" } };
        throw new ConnectError(message, code as Code, { "x-error": "metadata" }, [detail]);
      },

      async hang({ id }, { signal }) {
        const record = track(id, signal);
        const { promise, reject } = Promise.withResolvers<never>();
        signal.addEventListener("abort", () => reject(signal.reason));
        try {
          return await promise;
        } finally {
          record.finished = true;
        }
      },

      watch({ id }) {
        const record = recordOf(id);
        record.watched = true;
        const { started, aborted, messages, finished } = record;
        return { started, aborted, messages, finished };
      },

      async *produce({ id, count, size, failCode }, { signal, responseHeader, responseTrailer }) {
        const record = track(id, signal);
        responseHeader.set("x-response", "header");
        try {
          for (let index = 0; count === 0 || index < count; index++) {
            record.messages = index + 1;
            yield { index, data: new Uint8Array(size).fill(index % 256) };
          }
          failIfAsked(failCode);
          responseTrailer.set("x-response-trailer", "trailer");
        } finally {
          record.finished = true;
        }
      },

      async collect(requests, { signal, requestHeader }) {
        const { taken, ...leaving } = leavesEarly(requestHeader);
        let record: CallRecord | undefined;
        let messages = 0;
        let bytes = 0n;
        if (taken === 0) {
          failIfAsked(leaving.failCode);
          return { messages, bytes };
        }
        try {
          for await (const { id, data, hold, failCode } of requests) {
            record ??= track(id, signal);
            record.messages = messages += 1;
            bytes += BigInt(data.byteLength);
            failIfAsked(failCode);
            if (hold) {
              await untilWatched(record);
            }
            if (messages === taken) {
              failIfAsked(leaving.failCode);
              break;
            }
          }
        } finally {
          if (record !== undefined) {
            record.finished = true;
          }
        }
        return { messages, bytes };
      },

      async *converse(requests, { signal, requestHeader }) {
        const { taken, ...leaving } = leavesEarly(requestHeader);
        let record: CallRecord | undefined;
        let index = 0;
        if (taken === 0) {
          failIfAsked(leaving.failCode);
          return;
        }
        try {
          for await (const { id, text, failCode } of requests) {
            record ??= track(id, signal);
            record.messages = index + 1;
            failIfAsked(failCode);
            yield { text, index };
            index += 1;
            if (index === taken) {
              failIfAsked(leaving.failCode);
              break;
            }
          }
        } finally {
          if (record !== undefined) {
            record.finished = true;
          }
        }
      },

      // What is given is often no message, which TypeScript would not let a handler do.
      misbehave: ({ how }, context) => misbehaviour[how]?.(context) as never,

      async *misbehaveStreaming({ how }, context) {
        yield { text: "before" };
        yield misbehaviour[how]?.(context) as never;
      },
    });
  },
});
