import { Code } from "@connectrpc/connect";
import { bearer, isPlugboardError } from "plugboard";
import { expect, test } from "vitest";

const secret = "swordfish-0123456789";

function call(auth: ReturnType<typeof bearer>, token: string | undefined) {
  return auth({ token, headers: new Headers(), peer: {}, signal: new AbortController().signal });
}

test("a secret stands for one caller, which by default may do nothing that requires a scope", async () => {
  expect(await call(bearer(secret), secret)).toEqual({ subject: "bearer", scopes: [] });
  expect(await call(bearer(secret, { subject: "ci", scopes: ["a"] }), secret)).toEqual({
    subject: "ci",
    scopes: ["a"],
  });
});

test("without a token there is no caller", async () => {
  expect(await call(bearer(secret), undefined)).toBeUndefined();
});

test.each([
  ["another", "swordfish-9876543210"],
  ["the beginning of it", secret.slice(0, -1)],
  ["more than it", `${secret}0`],
  ["it in capitals", secret.toUpperCase()],
  ["nothing", ""],
])("a token that is %s is refused", async (_, token) => {
  await expect(call(bearer([secret, `${secret}-other`]), token)).rejects.toMatchObject({ code: Code.Unauthenticated });
});

test.each<[string, unknown]>([
  ["is missing", undefined],
  ["is none of none", []],
  ["is short", "0123456789abcde"],
  ["is short beside a good one", [secret, "short"]],
  ["is missing beside a good one", [secret, undefined]],
  ["has spaces", "sword fish 0123456789"],
  ["has a line end", `${secret}\n`],
  ["has letters that no header carries", `${secret}ß`],
])("a secret that %s is refused at once, and not repeated", (_, secrets) => {
  let thrown: unknown;
  try {
    // What types forbid, a variable that is not set does all the same.
    bearer(secrets as string);
  } catch (error) {
    thrown = error;
  }
  expect(isPlugboardError(thrown, "PB-AUTH-SECRET")).toBe(true);
  expect(String(thrown)).not.toContain("swordfish");
  expect(String(thrown)).not.toContain("0123456789");
});
