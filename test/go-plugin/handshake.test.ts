import fc from "fast-check";
import type { ErrorCode } from "plugboard";
import { isPlugboardError } from "plugboard";
import { expect, test } from "vitest";
import {
  formatHandshake,
  magicCookie,
  parseHandshake,
  parseVersions,
  withoutHandshake,
} from "../../src/go-plugin/handshake.ts";

const field = fc.stringMatching(/^[A-Za-z0-9/+:.-]{1,40}$/);

test("is read as it was written", () => {
  const handshakes = fc.record({
    appProtocolVersion: fc.nat(999_999_999),
    network: field.filter((network) => network !== "unix"),
    address: field,
    protocol: field,
    certificate: fc.oneof(fc.constant(""), field),
    multiplex: fc.boolean(),
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
    multiplex: false,
  };
  expect(formatHandshake(handshake)).toBe("1|1|unix|/run/p.sock|grpc|");
  expect(formatHandshake({ ...handshake, multiplex: true })).toBe("1|1|unix|/run/p.sock|grpc||true");
  expect(parseHandshake("1|1|unix|/run/p.sock|grpc||false\r")).toEqual(handshake);
  expect(parseHandshake("1|1|unix|/run/p.sock")).toEqual({ ...handshake, protocol: "netrpc" });
});

test("may have blanks around it, and fields that are not known yet", () => {
  const { address, certificate } = parseHandshake("  1|1|tcp|127.0.0.1:4000|grpc|MIIB|true|more\r\n");
  expect({ address, certificate }).toEqual({ address: "127.0.0.1:4000", certificate: "MIIB" });
});

test.each<[string, string, ErrorCode]>([
  ["an empty line", "", "PB-HANDSHAKE-INVALID"],
  ["prose", "Listening on port 4000", "PB-HANDSHAKE-INVALID"],
  ["too few fields", "1|1|unix", "PB-HANDSHAKE-INVALID"],
  ["a socket that is found from the working directory", "1|1|unix|../p.sock|grpc|", "PB-HANDSHAKE-INVALID"],
  ["a socket without a name", "1|1|unix|/tmp/\0|grpc|", "PB-HANDSHAKE-INVALID"],
  ["no core version", "|1|unix|/x|grpc|", "PB-HANDSHAKE-INVALID"],
  ["a core version that is no number", "one|1|unix|/x|grpc|", "PB-HANDSHAKE-INVALID"],
  ["a negative core version", "-1|1|unix|/x|grpc|", "PB-HANDSHAKE-INVALID"],
  ["core version 0", "0|1|unix|/x|grpc|", "PB-HANDSHAKE-CORE-VERSION"],
  ["core version 2", "2|1|unix|/x|grpc|", "PB-HANDSHAKE-CORE-VERSION"],
  ["a core version beyond all numbers", `${"9".repeat(400)}|1|unix|/x|grpc|`, "PB-HANDSHAKE-CORE-VERSION"],
  ["no application version", "1||unix|/x|grpc|", "PB-HANDSHAKE-INVALID"],
  ["an application version that is no number", "1|v1|unix|/x|grpc|", "PB-HANDSHAKE-INVALID"],
  ["an application version beyond all numbers", "1|99999999999|unix|/x|grpc|", "PB-HANDSHAKE-INVALID"],
  ["no address", "1|1|unix||grpc|", "PB-HANDSHAKE-INVALID"],
])("%s is refused", (_, line, code) => {
  expect(() => parseHandshake(line)).toThrow(expect.objectContaining({ errorCode: code }));
});

test("whatever is no handshake is refused with an error of ours", () => {
  const almost = fc
    .array(fc.oneof(fc.constantFrom("", "1", "2", "unix", "tcp", "/x", "grpc"), fc.string()), { maxLength: 8 })
    .map((fields) => fields.join("|"));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), almost), (line) => {
      try {
        const { appProtocolVersion, address } = parseHandshake(line);
        expect(address).not.toBe("");
        expect(Number.isSafeInteger(appProtocolVersion)).toBe(true);
      } catch (error) {
        expect(
          isPlugboardError(error, "PB-HANDSHAKE-INVALID") || isPlugboardError(error, "PB-HANDSHAKE-CORE-VERSION"),
        ).toBe(true);
      }
    }),
  );
});

test("a list of versions is whole numbers, separated by commas, and what is none is told apart", () => {
  expect(parseVersions("1,2,30")).toEqual({ versions: [1, 2, 30], others: [] });
  // As go-plugin reads it.
  expect(parseVersions("1, 2,a,-1,1.5,0x1,99999999999")).toEqual({
    versions: [1],
    others: [" 2", "a", "-1", "1.5", "0x1", "99999999999"],
  });
  expect(parseVersions("")).toEqual({ versions: [], others: [] });
  fc.assert(
    fc.property(fc.array(fc.nat(999_999_999)), (versions) => {
      expect(parseVersions(versions.join(","))).toEqual({ versions, others: [] });
    }),
  );
});

test("none of its variables is left for the plugin, and all others are", () => {
  const own = { PATH: "/bin", PLUGBOARD: "mine", PLUGIN_DIR: "mine" };
  const variables = [magicCookie.key, "PLUGBOARD_CONFIG", "PLUGBOARD_PARENT", "PLUGIN_CLIENT_CERT", "PLUGIN_MIN_PORT"];
  const env = { ...own, ...Object.fromEntries(variables.map((name) => [name, "x"])) };
  const before = structuredClone(env);
  expect(withoutHandshake(env)).toEqual(own);
  expect(env).toEqual(before);
});
