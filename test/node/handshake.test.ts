import fc from "fast-check";
import { PlugboardError } from "plugboard";
import { expect, test } from "vitest";
import { formatHandshake, parseHandshake, parseVersions } from "../../src/node/handshake.ts";

const field = fc.stringMatching(/^[A-Za-z0-9/+:.-]{1,40}$/);

test("is read as it was written", () => {
  const handshakes = fc.record({
    appProtocolVersion: fc.nat(999_999_999),
    network: field,
    address: field,
    protocol: field,
    certificate: fc.oneof(fc.constant(""), field),
  });
  fc.assert(
    fc.property(handshakes, (handshake) => {
      expect(parseHandshake(formatHandshake(handshake))).toEqual(handshake);
    }),
  );
});

test("is go-plugin's line", () => {
  const handshake = {
    appProtocolVersion: 1,
    network: "unix",
    address: "/run/p.sock",
    protocol: "grpc",
    certificate: "",
  };
  expect(formatHandshake(handshake)).toBe("1|1|unix|/run/p.sock|grpc|");
  expect(parseHandshake("1|1|unix|/run/p.sock|grpc||true\r")).toEqual(handshake);
  expect(parseHandshake("1|1|unix|/run/p.sock")).toEqual({ ...handshake, protocol: "netrpc" });
});

test("whatever is no handshake is refused with an error of ours", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((rest) => `1|1|${rest}`),
      ),
      (line) => {
        try {
          expect(parseHandshake(line).address).not.toBe("");
        } catch (error) {
          expect(error).toBeInstanceOf(PlugboardError);
        }
      },
    ),
  );
});

test("a list of versions is whole numbers, separated by commas", () => {
  expect(parseVersions("PLUGIN_PROTOCOL_VERSIONS", "1, 2,30")).toEqual([1, 2, 30]);
  for (const text of ["", "1,", "a", "1;2", "-1", "1.5", "99999999999"]) {
    expect(() => parseVersions("PLUGIN_PROTOCOL_VERSIONS", text)).toThrow(
      /PB-HANDSHAKE-ENVIRONMENT.*PLUGIN_PROTOCOL_VERSIONS/,
    );
  }
});
