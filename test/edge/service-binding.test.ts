import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestHarness } from "wrangler";

describe("the page Worker, bound to the markdown Worker,", () => {
  const harness = createTestHarness({
    root: ".",
    workers: [{ configPath: "workers/page.toml" }, { configPath: "wrangler.toml" }],
  });
  let url: URL;
  beforeAll(async () => {
    ({ url } = await harness.listen());
  }, 60_000);
  afterAll(() => harness.close());

  test("has the plugin render what it is sent, time and again", async () => {
    for (const title of ["hi", "hi again"]) {
      const response = await fetch(url, { method: "POST", body: `# ${title}` });
      expect(response.status).toBe(200);
      expect(response.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
      expect(await response.text()).toContain(`<h1>${title}</h1>`);
    }
  });

  test("does not tell strangers why the plugin has refused a document", async () => {
    const response = await fetch(url, { method: "POST", body: "a".repeat(1024 * 1024 + 1) });
    expect(response.status).toBe(502);
    expect(await response.text()).toBe("The document could not be rendered\n");
  });
});
