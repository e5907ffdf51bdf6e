import fc from "fast-check";
import type { ServiceBinding } from "plugboard";
import { isPlugboardError, type PlugboardError } from "plugboard";
import { describe, expect, test } from "vitest";
import { parseAddress } from "../../src/address/address.ts";

function refusal(target: unknown): PlugboardError {
  try {
    parseAddress(target as string);
  } catch (error) {
    if (isPlugboardError(error, "PB-TARGET-UNSUPPORTED")) {
      return error;
    }
    throw error;
  }
  throw new Error("the target was accepted");
}

const http = (url: string) => ({ carrier: "http", text: url, url });
const unix = (path: string) => ({ carrier: "unix", text: `unix:${path}`, path });
const tcp = (text: string, host: string, port: number) => ({ carrier: "tcp", text, host, port });

describe("parseAddress reads", () => {
  test.each<[string | URL, object]>([
    ["https://host", http("https://host")],
    ["https://host/", http("https://host")],
    ["http://127.0.0.1:8080/base/path/", http("http://127.0.0.1:8080/base/path")],
    ["https://HOST:443/Base", http("https://host/Base")],
    ["https://host/base?query=1#fragment", http("https://host/base")],
    ["https://[::1]:8443", http("https://[::1]:8443")],
    [new URL("https://host/base/"), http("https://host/base")],
    ["HTTPS://host", http("https://host")],
    ["unix:/run/markdown.sock", unix("/run/markdown.sock")],
    ["unix:///run/markdown.sock", unix("/run/markdown.sock")],
    ["unix:relative.sock", unix("relative.sock")],
    ["unix:/with space/and:colon?#.sock", unix("/with space/and:colon?#.sock")],
    [new URL("unix:///run/markdown.sock"), unix("/run/markdown.sock")],
    ["tcp:127.0.0.1:4000", tcp("tcp:127.0.0.1:4000", "127.0.0.1", 4000)],
    ["tcp://127.0.0.1:4000", tcp("tcp:127.0.0.1:4000", "127.0.0.1", 4000)],
    ["tcp:localhost:65535", tcp("tcp:localhost:65535", "localhost", 65535)],
    ["tcp:[::1]:4000", tcp("tcp:[::1]:4000", "::1", 4000)],
  ])("%s", (target, address) => {
    expect(parseAddress(target)).toEqual(address);
  });

  test("a service binding", () => {
    const binding: ServiceBinding = { fetch: () => Promise.reject(new Error("not called")) };
    expect(parseAddress(binding)).toEqual({ carrier: "service-binding", text: "the service binding", binding });
  });
});

describe("parseAddress refuses", () => {
  test.each<unknown>([
    "",
    "markdown",
    "/run/markdown.sock",
    "host:4000",
    "ftp://host",
    "file:///run/markdown.sock",
    "https://",
    "https://host:port",
    "https://a b",
    "http://[::1",
    "unix:",
    "unix:/a\0b",
    "tcp:",
    "tcp:host",
    "tcp:host:",
    "tcp:4000",
    "tcp:host:65536",
    "tcp:host:-1",
    "tcp:host:4000/path",
    "tcp:::1:4000",
    "tcp:[::1]",
    "tcp:[host]:4000",
    "tcp:two words:4000",
    "tcp:user@host:4000",
    {},
    [],
    null,
    undefined,
    7,
    { fetch: "no function" },
  ])("%j, with a hint", (target) => {
    expect(refusal(target).hint).toContain("connect()");
  });

  test("an address, and quotes it", () => {
    expect(refusal("markdown").message).toContain('"markdown"');
    expect(refusal("tcp:host:65536").message).toContain('"tcp:host:65536"');
  });
});

describe("parseAddress refuses credentials in a URL without quoting them:", () => {
  test.each<[string, string | URL]>([
    ["a user name and password", "https://user:swordfish@host/"],
    ["a password alone", "http://:swordfish@host"],
    ["a token as the user name", "https://swordfish@host"],
    ["a URL object", new URL("https://user:swordfish@host/")],
    ["a scheme in upper case", "HTTPS://user:swordfish@host/"],
    ["a port that is none", "https://user:swordfish@host:port/"],
    ["a host that is none", "https://user:swordfish@a b/"],
    ["a scheme that is not known", "ftp://user:swordfish@host/"],
    ["tcp", "tcp://user:swordfish@host:4000"],
  ])("%s", (_what, target) => {
    const error = refusal(target);
    expect(error.message).not.toContain("swordfish");
    expect(error.hint).not.toBe("");
  });

  test("the refusal of credentials says where to put them", () => {
    const error = refusal("https://user:swordfish@host/");
    expect(error.message).toContain("host");
    expect(error.hint).toContain("header");
  });
});

describe("for any string, parseAddress gives an address or PB-TARGET-UNSUPPORTED, and nothing else:", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "http:",
      "https:",
      "unix:",
      "tcp:",
      "//",
      "/",
      ":",
      "[",
      "]",
      "::1",
      "@",
      "?",
      "#",
      "%",
      "\0",
      "\n",
    ),
    fc.constantFrom("host", "127.0.0.1", "4000", "65536", "xn--", "..", " "),
    fc.string({ unit: "binary", maxLength: 5 }),
  );

  test.each<[string, fc.Arbitrary<string>]>([
    ["arbitrary ones", fc.string({ unit: "binary" })],
    ["those made of the pieces of addresses", fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""))],
    ["URLs", fc.webUrl({ withQueryParameters: true, withFragments: true })],
  ])("%s", (_what, strings) => {
    fc.assert(
      fc.property(strings, (text) => {
        let address: ReturnType<typeof parseAddress>;
        try {
          address = parseAddress(text);
        } catch (error) {
          expect(isPlugboardError(error, "PB-TARGET-UNSUPPORTED")).toBe(true);
          return;
        }
        // What a person would write for it reads as the same again.
        expect(parseAddress(address.text)).toEqual(address);
      }),
      { numRuns: 5000 },
    );
  });
});

test("parseAddress does not read on in what is longer than any address", () => {
  const slashes = `http://host/${"/".repeat(4_000_000)}x`;
  expect(() => parseAddress(slashes)).toThrow("PB-TARGET-UNSUPPORTED");
});
