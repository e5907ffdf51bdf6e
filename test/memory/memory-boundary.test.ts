import { Code, ConnectError } from "@connectrpc/connect";
import { connect, definePlugin } from "plugboard";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** All that a handler was given, kept beyond its call. */
const kept: { data?: Uint8Array; header?: Headers; requestHeader?: Headers; trailer?: Headers; reason?: unknown } = {};
const detail = { type: "example.Detail", value: Buffer.from("abc") };

const keeps = definePlugin({
  name: "keeps",
  version: "1.0.0",
  routes: (router) =>
    router.service(BehaviourService, {
      echo({ data }, { responseHeader, responseTrailer, requestHeader }) {
        Object.assign(kept, { data, header: responseHeader, trailer: responseTrailer, requestHeader });
        responseHeader.set("x-a", "as it was");
        responseTrailer.set("x-b", "as it was");
        return { data };
      },
      fail() {
        const error = new ConnectError("no", Code.NotFound);
        error.details.push(detail);
        throw error;
      },
      async hang(_request, { signal }) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        kept.reason = signal.reason;
        return {};
      },
    }),
});

test("bytes of a Buffer are copied in both directions", async () => {
  await using connection = await connect(keeps);
  const mine = Buffer.from("hello");
  const response = await connection.client(BehaviourService).echo({ data: mine });
  mine.write("XXXXX");
  expect(Buffer.from(kept.data ?? []).toString()).toBe("hello");
  kept.data?.fill(0);
  expect(Buffer.from(response.data).toString()).toBe("hello");
});

test("headers and trailers are the caller's own, and the request's headers the handler's", async () => {
  await using connection = await connect(keeps);
  const seen: Record<string, Headers> = {};
  const headers = new Headers({ "x-mine": "as it was" });
  const options = {
    headers,
    onHeader: (given: Headers) => {
      seen.header = given;
    },
    onTrailer: (given: Headers) => {
      seen.trailer = given;
    },
  };
  await connection.client(BehaviourService).echo({}, options);
  kept.header?.set("x-a", "changed later");
  kept.trailer?.set("x-b", "changed later");
  kept.requestHeader?.set("x-mine", "changed later");
  expect([seen.header?.get("x-a"), seen.trailer?.get("x-b"), headers.get("x-mine")]).toEqual(
    Array(3).fill("as it was"),
  );
});

test("details of errors are copied", async () => {
  await using connection = await connect(keeps);
  const error: unknown = await connection
    .client(BehaviourService)
    .fail({})
    .catch((reason: unknown) => reason);
  detail.value.write("XYZ");
  expect(error).toBeInstanceOf(ConnectError);
  expect((error as ConnectError).details).toEqual([{ type: "example.Detail", value: new Uint8Array([97, 98, 99]) }]);
});

test("why a caller has cancelled its call stays with the caller", async () => {
  await using connection = await connect(keeps);
  const controller = new AbortController();
  const call = connection.client(BehaviourService).hang({}, { signal: controller.signal });
  await Promise.resolve();
  controller.abort(new Error("the caller's secret"));
  await expect(call).rejects.toThrow("the caller's secret");
  await connection.close();
  expect(kept.reason).toMatchObject({ code: Code.Canceled, rawMessage: "the caller has ended the call" });
});
