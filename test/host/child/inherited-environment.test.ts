import { expect, test } from "vitest";
import { inheritedEnvironment } from "../../../src/host/child/inherited-environment.ts";

const env = {
  ...{ PATH: "/bin", LC_ALL: "C", NODE_ENV: "test", PLUGIN_LOG_LEVEL: "INFO", PLUGIN_MAGIC_COOKIE_KEY: "NAME" },
  ...{ DATABASE_URL: "x", AWS_SECRET_ACCESS_KEY: "x", NODE_AUTH_TOKEN: "x", PLUGIN_SERVER_KEY: "x", http_proxy: "x" },
};
const usual = ["PATH", "LC_ALL", "NODE_ENV", "PLUGIN_LOG_LEVEL", "PLUGIN_MAGIC_COOKIE_KEY"];

test("a plugin inherits what programs need, and no secrets", () => {
  expect(Object.keys(inheritedEnvironment(env, []))).toEqual(usual);
});

test("it inherits more by name, or all, but never this process's own key unless that is named", () => {
  expect(Object.keys(inheritedEnvironment(env, ["DATABASE_URL"]))).toEqual([...usual, "DATABASE_URL"]);
  const all = Object.keys(env).filter((name) => name !== "PLUGIN_SERVER_KEY");
  expect(Object.keys(inheritedEnvironment(env, true))).toEqual(all);
});
