import type { Code } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { NestingService } from "../gen/plugboard/test/v1/nesting_pb.ts";

/** Runs of Echo. */
let echoes = 0;

/** Handlers of Hang, Produce and Converse that have begun and not ended, by the id of their call. */
const open = new Set<string>();

/** The attacked plugin: tells what its handlers get to see, and sends back in headers what it is told to. */
export default definePlugin({
  name: "attacked",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, {
      echo({ text, data }) {
        echoes += 1;
        return { text, data };
      },

      /** Tells how often Echo has run, and whether the handler of a call still runs. */
      watch: ({ id }) => ({ messages: echoes, started: open.has(id) }),

      /** Puts what a header says, as JSON, into its own headers and trailers. */
      inspect(_, { requestHeader, responseHeader, responseTrailer, timeoutMs }) {
        const wanted = requestHeader.get("x-behaviour");
        if (wanted !== null) {
          const { header = [], trailer = [] } = JSON.parse(decodeURIComponent(wanted));
          for (const [name, value] of header) {
            responseHeader.append(name, value);
          }
          for (const [name, value] of trailer) {
            responseTrailer.append(name, value);
          }
        }
        return { timeoutMs: timeoutMs() ?? -1 };
      },

      fail({ code }) {
        throw code === 0 ? new Error("swordfish") : new ConnectError("as asked", code as Code);
      },

      /** Never responds; it heeds its signal unless it is called "deaf". */
      async hang({ id }, { signal }) {
        open.add(id);
        const { promise, reject } = Promise.withResolvers<never>();
        if (!id.startsWith("deaf")) {
          signal.addEventListener("abort", () => reject(signal.reason));
        }
        return promise.finally(() => open.delete(id));
      },

      async *produce({ id, count, size }) {
        open.add(id);
        try {
          for (let index = 0; count === 0 || index < count; index++) {
            yield { index, data: new Uint8Array(size) };
          }
        } finally {
          open.delete(id);
        }
      },

      async collect(requests) {
        let messages = 0;
        for await (const _ of requests) {
          messages += 1;
        }
        return { messages };
      },

      async *converse(requests) {
        let begun: string | undefined;
        try {
          for await (const { id, text } of requests) {
            begun ??= id;
            open.add(begun);
            yield { text };
          }
        } finally {
          open.delete(begun ?? "");
        }
      },
    });
    router.service(NestingService, {
      nest(request) {
        let depth = 0;
        for (let each = request.child; each !== undefined; each = each.child) {
          depth += 1;
        }
        return { depth };
      },
    });
  },
});
