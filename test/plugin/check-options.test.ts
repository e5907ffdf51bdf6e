import { connect, definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";

const plugin = definePlugin({ name: "sample", version: "1.0.0", routes: () => undefined });
// What types forbid, a program without types may do all the same.
const misspelt = (options: object) => options as never;

test.each<[string, () => unknown, string]>([
  ["definePlugin", () => definePlugin(misspelt({ name: "a", version: "1.0.0", routs: () => undefined })), "`routes`"],
  ["connect", () => connect(plugin, misspelt({ tokn: "x" })), "`token`"],
  ["edge", () => edge(plugin, misspelt({ orgins: [] })), "`origins`"],
  ["edge, with a name like no other,", () => edge(plugin, misspelt({ nope: 1 })), "It has limits, rateLimit"],
])("%s refuses a misspelt option with the nearest name", async (_what, run, hint) => {
  await expect((async () => run())()).rejects.toMatchObject({
    errorCode: "PB-OPTION-UNKNOWN",
    hint: expect.stringContaining(hint),
  });
});
