import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { gzip } from "../../../src/edge/gzip.ts";
import { requestCompression, responseCompression } from "../../../src/http/wire/compression.ts";
import { formOf } from "../../../src/http/wire/protocols.ts";
import { limitTimeout, readConnectTimeout, readGrpcTimeout } from "../../../src/http/wire/timeout.ts";

describe("the form of a request by its Content-Type", () => {
  test.each([
    ["application/json", "connect message json"],
    ["application/json; charset=utf-8", "connect message json"],
    ["Application/JSON;charset=UTF8", "connect message json"],
    ["application/proto", "connect message proto"],
    ["application/connect+json", "connect envelopes json"],
    ["application/connect+proto", "connect envelopes proto"],
    ["application/grpc-web", "grpc-web envelopes proto"],
    ["application/grpc-web+proto", "grpc-web envelopes proto"],
    ["application/grpc-web+json", "grpc-web envelopes json"],
    ["application/grpc-web-text", "grpc-web envelopes proto text"],
    ["application/grpc-web-text+proto", "grpc-web envelopes proto text"],
    ["", "none"],
    ["text/plain", "none"],
    ["application/json; charset=latin1", "none"],
    ["application/jsonp", "none"],
    ["application/grpc", "grpc envelopes proto"],
    ["application/grpc+proto", "grpc envelopes proto"],
    ["application/connect", "none"],
    ["application/connect+xml", "none"],
    ["application/grpc-web-texts", "none"],
  ])("%s: %s", (contentType, expected) => {
    const form = formOf(contentType);
    const words =
      form === undefined
        ? ["none"]
        : form.kind === "message"
          ? ["connect", "message", form.format]
          : [form.protocol.name, "envelopes", form.format, ...(form.text ? ["text"] : [])];
    expect(words.join(" ")).toBe(expected);
  });
});

describe("the time that a call has", () => {
  test.each([
    ["0", 0],
    ["1500", 1500],
    ["9999999999", 9_999_999_999],
    ["12345678901", undefined],
    ["-1", undefined],
    ["1.5", undefined],
    ["", undefined],
  ])("is asked for in Connect as %s", (value, expected) => {
    expect(readConnectTimeout(value)).toBe(expected);
  });

  test.each([
    ["2H", 7_200_000],
    ["3M", 180_000],
    ["4S", 4000],
    ["5m", 5],
    ["6000u", 6],
    ["7000000n", 7],
    ["99999999H", 359_999_996_400_000],
    ["123456789m", undefined],
    ["5", undefined],
    ["5s", undefined],
    ["m", undefined],
  ])("is asked for in gRPC as %s", (value, expected) => {
    const read = readGrpcTimeout(value);
    expect(read === undefined ? undefined : Math.round(read)).toBe(expected);
  });

  test("is what the caller asks for, up to what the policy allows", () => {
    const limits = { maxDeadlineMs: 1000, maxTimeoutMs: undefined };
    expect(limitTimeout("10", readConnectTimeout, limits)).toEqual({ timeoutMs: 10 });
    expect(limitTimeout("2000", readConnectTimeout, limits)).toEqual({ timeoutMs: 1000 });
    expect(limitTimeout(null, readConnectTimeout, limits)).toEqual({ timeoutMs: 1000 });
    const none = { maxDeadlineMs: undefined, maxTimeoutMs: undefined };
    expect(limitTimeout(null, readConnectTimeout, none)).toEqual({ timeoutMs: undefined });
  });

  test("is refused if it can't be read, or is longer than the service takes", () => {
    const limits = { maxDeadlineMs: 1000, maxTimeoutMs: 100 };
    const refused = { timeoutMs: 1000, error: { code: Code.InvalidArgument } };
    expect(limitTimeout("soon", readConnectTimeout, limits)).toMatchObject(refused);
    expect(limitTimeout("2000", readConnectTimeout, limits)).toMatchObject(refused);
  });
});

describe("compression", () => {
  test.each([null, "identity"])("is none in a request that says %s", (name) => {
    expect(requestCompression([gzip], name, "Accept-Encoding")).toBeUndefined();
  });

  test("that is not known is refused, with what is known", () => {
    const refuse = () => requestCompression([gzip], "br", "Grpc-Accept-Encoding");
    expect(refuse).toThrow(expect.objectContaining({ code: Code.Unimplemented }));
    try {
      refuse();
    } catch (error) {
      expect(error).toHaveProperty("metadata", new Headers({ "Grpc-Accept-Encoding": "gzip" }));
    }
  });

  test.each([
    ["gzip", null, true],
    ["br, gzip", null, true],
    ["br", "gzip", false],
    [null, "gzip", true],
    ["", "gzip", true],
    [null, null, false],
    [null, "identity", false],
  ])("of a response whose caller takes %s and sends %s", (accepted, sent, expected) => {
    expect(responseCompression([gzip], accepted, sent) === gzip).toBe(expected);
  });
});
