import fc from "fast-check";
import { expect, test } from "vitest";
import { sniff } from "../../../src/node/listen/sniff.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

test.each([
  ["POST /a.B/C HTTP/1.1\r\n", "http/1.1"],
  ["PUT / HTTP/1.1\r\n", "http/1.1"],
  ["PROPFIND / HTTP/1.1\r\n", "http/1.1"],
  ["GET / HTTP/1.1\r\n", "http/1.1"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http/2"],
  ["\x16\x03\x01", "tls"],
  ["\x00\x00\x00\x05", "ttrpc"],
  ["\x05\x01\x00", "unknown"],
  ["hello", "unknown"],
])("takes %j for %s", (text, protocol) => {
  expect(sniff(bytes(text))).toBe(protocol);
});

test.each(["", "P", "PR"])("waits for more after %j", (text) => {
  expect(sniff(bytes(text))).toBeUndefined();
});

// Random bytes alone rarely start like anything.
const beginning = fc
  .tuple(fc.constantFrom("", "P", "PR", "PRI", "PO", "p", "\x16", "\0"), fc.uint8Array({ maxLength: 5 }))
  .map(([start, rest]) => Buffer.concat([bytes(start), rest]));

test("names a protocol for all bytes but the beginnings of HTTP/2's preface, and keeps to it", () => {
  fc.assert(
    fc.property(beginning, fc.uint8Array(), (head, more) => {
      const response = sniff(head);
      if (response === undefined) {
        expect("PRI".startsWith(head.toString("latin1"))).toBe(true);
        expect(head.byteLength).toBeLessThan(3);
      } else {
        expect(sniff(Buffer.concat([head, more]))).toBe(response);
      }
    }),
  );
});
