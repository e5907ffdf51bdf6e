import { describe, expect, test } from "vitest";
import { defaultLog } from "../../src/base/log.ts";
import { fitResponseHeaders, maxOwnHeaderBytes } from "../../src/http/response-headers.ts";

describe("what a handler says about caches", () => {
  const settled = (own: Record<string, string>, { method = "GET", status = 200, personal = false } = {}) => {
    const header = new Headers(own);
    fitResponseHeaders(header, { method, status, personal, maxBytes: maxOwnHeaderBytes, log: defaultLog });
    return Object.fromEntries(header);
  };

  test("holds for what was got", () => {
    expect(settled({ "Cache-Control": "max-age=60" })).toEqual({ "cache-control": "max-age=60" });
  });

  test.each([
    ["POST", 200],
    ["GET", 404],
    ["GET", 503],
  ])("does not hold for a response to %s with status %i", (method, status) => {
    expect(settled({ "Cache-Control": "max-age=60" }, { method, status })).toEqual({});
  });

  test("holds for no one but who has asked if it depends on who that is", () => {
    expect(settled({ "Cache-Control": "public, max-age=60, s-maxage=600" }, { personal: true })).toEqual({
      "cache-control": "private, max-age=60",
    });
  });

  test("adds to what every response depends on", () => {
    expect(settled({ Vary: "Accept-Language" })).toEqual({
      vary: "Accept-Language, Origin, Accept-Encoding, Authorization",
    });
  });
});

test("a header of the plugin's that takes all the room pushes out none of the protocol's", () => {
  const ofProtocol = {
    "connect-content-encoding": "gzip",
    "content-type": "application/connect+proto",
    "grpc-status": "0",
  };
  const own = new Headers({ ...ofProtocol, "a-big": "x".repeat(maxOwnHeaderBytes - 40), "z-small": "fits" });
  fitResponseHeaders(own, {
    method: "POST",
    status: 200,
    personal: false,
    maxBytes: maxOwnHeaderBytes,
    log: defaultLog,
  });
  expect(Object.fromEntries(own)).toEqual({ ...ofProtocol, "z-small": "fits" });
});
