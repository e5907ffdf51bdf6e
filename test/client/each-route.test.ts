import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { routes } from "../behaviour/routes.ts";
import { describeIf } from "../behaviour/suite/route.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../support/rejection.ts";

// Calls of each kind over every route. What else is to behave the same there, test/behaviour tells.
describe.each(routes)("over $name", ({ name, lacks = [], open }) => {
  let opened: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    opened = await open();
  }, 60_000);
  afterAll(() => opened.close());

  const client = () => opened.connection.client(BehaviourService);
  const repeat = async function* <T>(count: number, message: T) {
    for (let index = 0; index < count; index++) {
      yield message;
    }
  };

  test(`${name} carries a unary call, and its error`, async () => {
    expect(opened.connection.routes.unary.routes[0]?.name).toBe(name);
    expect(await client().echo({ text: "grüße" })).toMatchObject({ text: "grüße" });
    const error = await rejection(client().fail({ code: Code.NotFound, message: "not here" }));
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "not here" });
  });

  test(`${name} carries a stream of the server's`, async () => {
    const { length } = await Array.fromAsync(client().produce({ count: 3, size: 10 }));
    expect(length).toBe(3);
  });

  test(`${name} carries a stream of the client's`, async () => {
    expect(await client().collect(repeat(3, { data: Uint8Array.of(1, 2) }))).toMatchObject({ messages: 3, bytes: 6n });
  });

  describeIf(!lacks.includes("bidi_streaming"), "both ways", () => {
    test(`${name} carries streams both ways`, async () => {
      expect(await Array.fromAsync(client().converse(repeat(3, {})))).toHaveLength(3);
    });
  });
});
