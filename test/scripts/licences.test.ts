import { expect, test } from "vitest";
import { isPermitted } from "../../scripts/check/licences/permitted.ts";

const permitted = ["MIT", "Apache-2.0"];

test.each(["MIT", "(MIT OR GPL-3.0)", "MIT AND Apache-2.0", "(Apache-2.0 AND MIT)"])(
  "the licence %s is met",
  (licence) => {
    expect(isPermitted(licence, permitted)).toBe(true);
  },
);

test.each(["GPL-3.0", "", "MIT AND GPL-3.0", "UNLICENSED", "(MIT AND GPL-3.0) OR (GPL-2.0)", "SEE LICENSE IN FILE"])(
  "the licence %j is not met",
  (licence) => {
    expect(isPermitted(licence, permitted)).toBe(false);
  },
);
