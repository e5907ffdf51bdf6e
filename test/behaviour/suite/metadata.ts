import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { rejection } from "../../support/rejection.ts";
import type { OpenRoute } from "./route.ts";

/** Every character that metadata may have: visible ASCII, spaces and tabs. The fault table has what it must not. */
const allowed = `${String.fromCharCode(...Array.from({ length: 0x7f - 0x21 }, (_, index) => 0x21 + index))} \t~`;

/** Metadata is the same over every route. */
export function describeMetadata({ client }: OpenRoute) {
  describe("metadata", () => {
    async function inspect(value: string) {
      const seen: Record<string, string | null> = {};
      const { header } = await client().inspect(
        {},
        {
          headers: { "x-behaviour": value },
          onHeader: (headers) => {
            seen.header = headers.get("x-echo");
          },
          onTrailer: (trailers) => {
            seen.trailer = trailers.get("x-echo-trailer");
          },
        },
      );
      return { ...seen, handler: header };
    }

    test("of every byte that is allowed reaches the handler, and the caller in headers and trailers", async () => {
      expect(await inspect(allowed)).toEqual({ handler: allowed, header: allowed, trailer: allowed });
    });

    test("of 200 names, and of 14 KiB, reaches the handler; of 200 names the caller, too", async () => {
      const many = Array.from({ length: 200 }, (_, index): [string, string] => [`x-many-${index}`, "v"]);
      const long: [string, string] = ["x-long", "x".repeat(14 * 1024)];
      for (const others of [many, [long]]) {
        const headers = new Headers([...others, ["x-behaviour", "beside"]]);
        expect((await client().inspect({}, { headers })).header).toBe("beside");
      }
      const error = await rejection(client().misbehave({ how: "throws an error with metadata of 200 names" }));
      expect(error.rawMessage).toBe("many");
      expect([...error.metadata.keys()].filter((name) => name.startsWith("x-many-"))).toHaveLength(200);
    });

    test("of a response that fits nowhere is left out, and the message arrives", async () => {
      const seen: (string | null)[] = [];
      const see = (metadata: Headers) => void seen.push(metadata.get("x-long"), metadata.get("x-echo"));
      const { header } = await client().inspect({}, { headers: { "x-behaviour": "long" }, onHeader: see });
      expect([header, ...seen]).toEqual(["long", null, "long"]);
      let trailer: string | null | undefined;
      const onTrailer = (trailers: Headers) => {
        trailer = trailers.get("x-long");
      };
      await client().inspect({}, { headers: { "x-behaviour": "long" }, onTrailer });
      expect(trailer).toBe(null);
    });

    test("of an error has nothing that can't be sent of what the handler has set before, and the error arrives", async () => {
      const how = "throws an error after it has set what can't be sent";
      const calls = [client().misbehave({ how }), Array.fromAsync(client().misbehaveStreaming({ how }))];
      for (const failed of calls.map(rejection)) {
        const { code, rawMessage, metadata } = await failed;
        expect([code, rawMessage, metadata.get("x-error")]).toEqual([Code.NotFound, "afterwards", "metadata"]);
        const own = ["x-own", "x-own-trailer", "grpc-status-details-bin"];
        expect(own.filter((name) => metadata.has(name))).toEqual([]);
      }
    });

    test("of each byte beyond those is refused, or of a plugin's own left out", async () => {
      for (const code of [0x01, 0x1b, 0x7f, 0x80, 0xa0, 0xe4, 0xff]) {
        await rejection(client().inspect({}, { headers: { "x-behaviour": `a${String.fromCharCode(code)}b` } }));
      }
      // It responds with what is beyond ASCII in headers and trailers, and in an error's metadata.
      expect(await inspect("beyond")).toEqual({ handler: "beyond", header: null, trailer: null });
      const how = "throws an error with metadata beyond ASCII";
      const calls = [client().misbehave({ how }), Array.fromAsync(client().misbehaveStreaming({ how }))];
      for (const failed of calls.map(rejection)) {
        const { metadata } = await failed;
        expect([metadata.get("x-error"), metadata.get("x-beyond")]).toEqual(["metadata", null]);
      }
    });
  });
}
