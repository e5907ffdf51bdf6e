import { connect, definePlugin } from "plugboard";
import { expect, test, vi } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

test("what a handler's error quotes of its caller is no line of the log, and nothing for a terminal", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const quoting = definePlugin({
    name: "quoting",
    version: "1.0.0",
    routes: (router) =>
      router.service(BehaviourService, {
        echo({ text }) {
          throw new Error(`no such document: ${text}`, {
            cause: new Error("the cause is postgres://ann:hunter2@db/x"),
          });
        },
      }),
  });
  await using connection = await connect(quoting);
  const text = 'x\n{"message":"denied","subject":"innocent"}\n\u001b[2J\u001b]0;owned\u0007';
  await expect(connection.client(BehaviourService).echo({ text })).rejects.toThrow("internal error");
  const [first, ...others] = logged.mock.calls.flat().join("\n").split("\n");
  expect(first).toMatch(
    /^plugboard: plugboard\.test\.v1\.BehaviourService\/Echo failed, request \S+: Error: no such document: x$/,
  );
  expect(others.filter((line) => !line.startsWith("  | "))).toEqual([]);
  expect(others.join()).toContain("caused by: Error: the cause is postgres://***@db/x");
  expect(others.join()).not.toContain("hunter2");
  expect(others.join()).not.toContain("\u001b");
});
