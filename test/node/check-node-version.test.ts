import { PlugboardError } from "plugboard";
import { expect, test } from "vitest";
import { checkNodeVersion } from "../../src/node/check-node-version.ts";

test.each(["18.20.4", "20.19.5", "22.11.0"])("Node %s is too old", (version) => {
  expect(() => checkNodeVersion(version)).toThrow(PlugboardError);
  expect(() => checkNodeVersion(version)).toThrow("PB-NODE-VERSION");
});

test.each(["22.12.0", "23.0.0", "24.21.0", "24.0.0-nightly"])("Node %s will do", (version) => {
  expect(() => checkNodeVersion(version)).not.toThrow();
});
