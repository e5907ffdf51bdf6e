import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Observed } from "./recording-observer.ts";

/** A way to the behaviour plugin, whose calls are recorded. Its limits are those of observed-limits.ts. */
export interface ObservedRoute {
  readonly name: string;
  /** Connect's name of the protocol. */
  readonly protocol: string;
  readonly lacks?: "bidi_streaming";
  /** Has no limits, and counts no bytes. */
  readonly sameProcess?: boolean;
  /** The caller knows the plugin's limit from its manifest, and sends nothing that goes beyond it. */
  readonly keepsLimits?: boolean;
  /** The runtime tells no one that a caller has gone who waits for the response to a unary call. */
  readonly cancelsLate?: boolean;
  open(): Promise<{
    readonly connection: Connection;
    /** What was recorded so far. */
    calls(): Promise<readonly Observed[]> | readonly Observed[];
    close(): Promise<void>;
  }>;
}

/** Asserts that an observer hears of every call what has become of it. */
export function describeObservation(route: ObservedRoute) {
  describe(`over ${route.name}`, () => {
    let opened: Awaited<ReturnType<ObservedRoute["open"]>>;
    beforeAll(async () => {
      opened = await route.open();
    }, 60_000);
    afterAll(async () => {
      const calls = (await opened?.calls()) ?? [];
      await opened?.close();
      expect(calls.filter(({ ends }) => ends !== 1)).toEqual([]);
    });

    const client = () => opened.connection.client(BehaviourService);
    const named = (name: string) => ({ headers: { "x-case": name } });
    const ended = (name: string) =>
      vi.waitFor(
        async () => {
          const found = (await opened.calls()).filter((each) => each.name === name);
          expect(found).toMatchObject([{ ends: 1 }]);
          return found[0];
        },
        { timeout: 10_000 },
      );
    const expectEnd = async (name: string, code: keyof typeof Code | "ok") =>
      expect(await ended(name)).toMatchObject({ code, protocol: route.protocol });
    const codeOf = async (promise: Promise<unknown>) =>
      promise.then(
        () => "ok",
        (error: unknown) => Code[ConnectError.from(error).code],
      );
    // A caller that minds its deadline itself may cancel the call before the plugin has ended it.
    const late = (name: string) => {
      switch (route.protocol) {
        case "connect":
          return { headers: { "x-case": name, "Connect-Timeout-Ms": "200" } };
        case "grpc":
        case "grpc-web":
          return { headers: { "x-case": name, "Grpc-Timeout": "200m" } };
        default:
          return { ...named(name), timeoutMs: 200 };
      }
    };
    const expectLate = async (name: string) =>
      expect((await ended(name))?.code).toMatch(
        route.protocol === "ttrpc" ? /^(DeadlineExceeded|Canceled)$/ : /^DeadlineExceeded$/,
      );
    const read = async (messages: AsyncIterable<unknown>) => {
      for await (const _ of messages) {
        // All of them.
      }
    };
    async function* of<T>(...messages: readonly T[]) {
      yield* messages;
    }
    const started = (id: string) =>
      vi.waitFor(async () => expect((await client().watch({ id })).started).toBe(true), { timeout: 10_000 });

    test("a unary call that went well", async () => {
      await client().echo({ data: new Uint8Array(1000) }, named("unary ok"));
      await expectEnd("unary ok", "ok");
      const call = await ended("unary ok");
      expect(call?.runs).toBe(1);
      if (route.sameProcess) {
        expect(call).toMatchObject({ requestBytes: undefined, responseBytes: undefined });
      } else {
        expect(call?.responseBytes).toBeGreaterThan(1000);
      }
    });

    test("a unary call whose handler says what is wrong", async () => {
      expect(await codeOf(client().fail({ code: Code.NotFound }, named("unary error")))).toBe("NotFound");
      await expectEnd("unary error", "NotFound");
    });

    test("a unary call whose handler's error is concealed", async () => {
      expect(await codeOf(client().fail({ code: 0 }, named("unary concealed")))).toBe("Internal");
      await expectEnd("unary concealed", "Internal");
    });

    test("a unary call whose deadline passes", async () => {
      const call = client().hang({ id: `late ${route.name}` }, late("unary deadline"));
      expect(await codeOf(call)).toBe("DeadlineExceeded");
      await expectLate("unary deadline");
    });

    test.skipIf(route.cancelsLate)("a unary call that its caller cancels", async () => {
      const id = `cancelled ${route.name}`;
      const controller = new AbortController();
      const call = client().hang({ id }, { ...named("unary cancelled"), signal: controller.signal });
      const code = codeOf(call);
      await started(id);
      controller.abort();
      expect(await code).toBe("Canceled");
      await expectEnd("unary cancelled", "Canceled");
    });

    test.skipIf(route.sameProcess)("a call that the gate refuses", async () => {
      const headers = { "x-case": "gate", "x-long": "a".repeat(5_000) };
      expect(await codeOf(client().echo({}, { headers }))).toBe("ResourceExhausted");
      await expectEnd("gate", "ResourceExhausted");
      expect((await ended("gate"))?.runs).toBe(0);
    });

    test.skipIf(route.sameProcess)("a stream that the gate refuses", async () => {
      const headers = { "x-case": "gated stream", "x-long": "a".repeat(5_000) };
      expect(await codeOf(read(client().produce({ count: 1 }, { headers })))).toBe("ResourceExhausted");
      await expectEnd("gated stream", "ResourceExhausted");
    });

    test.skipIf(route.sameProcess || route.keepsLimits)("a call whose message is too long", async () => {
      const request = { data: new Uint8Array(20_000).fill(7) };
      expect(await codeOf(client().echo(request, named("too long")))).toBe("ResourceExhausted");
      await expectEnd("too long", "ResourceExhausted");
    });

    test("a stream of responses that went well", async () => {
      await read(client().produce({ id: "p", count: 3, size: 1000 }, named("stream ok")));
      await expectEnd("stream ok", "ok");
      const call = await ended("stream ok");
      expect(call?.runs).toBeGreaterThanOrEqual(4);
      if (!route.sameProcess) {
        expect(call?.responseBytes).toBeGreaterThan(3000);
      }
    });

    test("a stream of responses that fails in the middle", async () => {
      const stream = client().produce({ id: "f", count: 2, failCode: Code.Aborted }, named("stream error"));
      expect(await codeOf(read(stream))).toBe("Aborted");
      await expectEnd("stream error", "Aborted");
    });

    test("a stream of responses whose handler's error is concealed", async () => {
      const stream = client().produce({ id: "c", count: 2, failCode: 17 }, named("stream concealed"));
      expect(await codeOf(read(stream))).toBe("Internal");
      await expectEnd("stream concealed", "Internal");
    });

    test("a stream of responses whose deadline passes", async () => {
      const stream = client().produce({ id: "d", count: 0, size: 10 }, late("stream deadline"));
      expect(await codeOf(read(stream))).toBe("DeadlineExceeded");
      await expectLate("stream deadline");
    });

    test("a stream of responses that its caller leaves", async () => {
      for await (const _ of client().produce({ id: "l", count: 0, size: 1000 }, named("stream left"))) {
        break;
      }
      await expectEnd("stream left", "Canceled");
    });

    test("a stream of requests that went well", async () => {
      await client().collect(of({ id: `r ${route.name}` }, { id: `r ${route.name}` }), named("collect ok"));
      await expectEnd("collect ok", "ok");
    });

    test("a stream of requests that the handler refuses", async () => {
      const call = client().collect(of({ id: `e ${route.name}`, failCode: Code.DataLoss }), named("collect error"));
      expect(await codeOf(call)).toBe("DataLoss");
      await expectEnd("collect error", "DataLoss");
    });

    test.skipIf(route.sameProcess)("a stream of requests of which one is too long", async () => {
      const long = { id: `t ${route.name}`, data: new Uint8Array(20_000) };
      expect(await codeOf(client().collect(of(long), named("collect long")))).toBe("ResourceExhausted");
      await expectEnd("collect long", "ResourceExhausted");
    });

    test.skipIf(route.lacks === "bidi_streaming")("a conversation that went well", async () => {
      await read(client().converse(of({ id: `b ${route.name}`, text: "a" }, { text: "b" }), named("bidi ok")));
      await expectEnd("bidi ok", "ok");
    });

    test.skipIf(route.lacks === "bidi_streaming")("a conversation that its caller leaves", async () => {
      async function* endless() {
        yield { id: `x ${route.name}`, text: "a" };
        await new Promise(() => undefined);
      }
      for await (const _ of client().converse(endless(), named("bidi left"))) {
        break;
      }
      // Node's HTTP/2 clients end a request before they cancel it, and then the plugin may be done before it is cancelled.
      expect((await ended("bidi left"))?.code).toMatch(
        route.protocol.startsWith("grpc") || route.protocol === "connect" ? /^(ok|Canceled)$/ : /^Canceled$/,
      );
    });
  });
}
