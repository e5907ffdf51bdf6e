import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import { authFrom } from "../policy/fixtures/auth.ts";
import plugin from "../policy/fixtures/plugin.ts";

const app = edge(plugin, { auth: authFrom({ AUTH: "function" }), observers: [] });

/** Whom the plugin takes a caller for that writes an address of its own choice into a header. */
async function subjectOf(init: object): Promise<unknown> {
  const request = new Request("https://guarded.test/plugboard.test.v1.AccessService/WhoAmI", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-User": "ann", "CF-Connecting-IP": "198.51.100.7" },
    body: "{}",
    ...init,
  });
  const response: { readonly subject?: unknown } = await (await app.fetch(request)).json();
  return response.subject;
}

test("a caller's address is the one that Cloudflare names if Cloudflare is in front", async () => {
  expect(await subjectOf({ cf: { colo: "XXX" } })).toBe("ann at 198.51.100.7");
});

test("a caller has no address if no Cloudflare is in front, as by a service binding, whatever it says itself", async () => {
  expect(await subjectOf({})).toBe("ann at undefined");
});
