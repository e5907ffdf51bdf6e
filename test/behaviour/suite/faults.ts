import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { EchoRequestSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";
import { faultGroups } from "../faults.ts";
import type { OpenRoute } from "./route.ts";

/** A fault has the same code over every route, and the plugin lives on. */
export function describeFaults({ carries, client, connection }: OpenRoute) {
  for (const { title, faults } of faultGroups) {
    describe(`what goes wrong: ${title.toLowerCase()}`, () => {
      for (const { fault, code, message, kind = "unary", provoke } of faults) {
        if (!carries(kind)) {
          continue;
        }
        test(`${fault}: ${Code[code]}`, async () => {
          const error = await rejection(provoke(client(), connection()));
          expect([Code[error.code], error.rawMessage]).toEqual([Code[code], message ?? error.rawMessage]);
          expect(error.message + JSON.stringify([...error.metadata])).not.toContain("swordfish");
          if (message !== undefined) {
            // It is all that leads to the line of the log that says more.
            expect(error.metadata.get("x-request-id")).toMatch(/./);
          }
          expect((await client().echo({ text: "still here" })).text).toBe("still here");
        });
      }
    });
  }

  describe("what is mended", () => {
    test("half a character of an error's message and detail, beside its code and metadata", async () => {
      const how = "throws an error with half a character";
      const calls = [client().misbehave({ how }), Array.fromAsync(client().misbehaveStreaming({ how }))];
      for (const failed of calls.map(rejection)) {
        const error = await failed;
        expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "cut \ufffd" });
        expect(error.metadata.get("x-error")).toBe("metadata");
        expect(error.findDetails(EchoRequestSchema)).toMatchObject([{ text: "cut \ufffd" }]);
      }
    });

    test("half a character in a message, in both directions", async () => {
      expect((await client().echo({ text: "cut \ud83d" })).text).toBe("cut \ufffd");
      expect((await client().misbehave({ how: "gives half a character" })).text).toBe("cut \ufffd");
      const [produced] = await Array.fromAsync(client().misbehaveStreaming({ how: "gives half a character" }));
      expect(produced?.text).toBe("before");
    });

    test("an error with the headers of another response says nothing of that connection, and nothing to browsers", async () => {
      const how = "throws an error that passes on the headers of another response";
      const error = await rejection(client().misbehave({ how }));
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "elsewhere" });
      expect(error.metadata.get("x-error")).toBe("metadata");
      for (const name of ["set-cookie", "access-control-allow-origin", "clear-site-data", "refresh"]) {
        expect(error.metadata.get(name)).toBe(null);
      }
      expect(error.metadata.get("content-type")).not.toBe("text/html");
    });

    test("an error's metadata with a control character is left out, and the rest is told", async () => {
      const error = await rejection(
        client().misbehave({ how: "throws an error with a control character in its metadata" }),
      );
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "escaping" });
      expect([error.metadata.get("x-error"), error.metadata.get("x-escape")]).toEqual(["metadata", null]);
    });
  });
}
