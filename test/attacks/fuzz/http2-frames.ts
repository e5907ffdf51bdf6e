import fc from "fast-check";
import { cuts, damaged, junk, mostly } from "./generators.ts";

const types = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
} as const;

/** The first bytes of a client. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A frame of HTTP/2, whatever is right or wrong with it. */
function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array,
  length = payload.byteLength,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

/** The first frame of both sides. */
const settings = frame(types.settings, 0, 0, Buffer.alloc(0));
const settingsAck = frame(types.settings, 1, 0, Buffer.alloc(0));

/** A header of HPACK without Huffman coding and without a place in the table. */
function literal([name, value]: readonly [string, string]): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1").subarray(0, 10_000);
  const { length } = bytes;
  const rest = length - 127;
  const prefix = length < 127 ? [length] : rest < 128 ? [127, rest] : [127, (rest & 127) | 128, rest >> 7];
  return Buffer.concat([Buffer.from(prefix), bytes]);
}

/** An envelope of gRPC and of Connect's streams. */
export const envelopes: fc.Arbitrary<Uint8Array> = fc
  .record({
    flags: mostly(fc.constantFrom(0, 2), fc.constantFrom(1, 3, 0x80, 0x81), fc.nat({ max: 255 })),
    message: fc.oneof(
      fc
        .constantFrom(
          "",
          "{}",
          '{"text":"hi"}',
          '{"error":{"code":"aborted","message":"m","details":[{"type":"x","value":"!"}]},"metadata":{"x":["y"]}}',
          '{"error":{"code":17}}',
          '{"metadata":{"x":"y","b\\n":[1]}}',
          '{"error":null,"metadata":null}',
          "[]",
          "null",
          "\n\u0002hi",
          "grpc-status: 0\r\n",
          "\u001f\u008b\b\0",
        )
        .map((each) => Buffer.from(each, "latin1")),
      junk,
    ),
    length: fc.option(fc.constantFrom(0, 1, 5, 0x400000, 0x400001, 0xffffffff), { nil: undefined, freq: 6 }),
  })
  .map(({ flags, message, length = message.byteLength }) => {
    const header = Buffer.alloc(5);
    header.writeUInt8(flags);
    header.writeUInt32BE(length, 1);
    return Buffer.concat([header, message]);
  });

const latin1 = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const service = "/plugboard.test.v1.BehaviourService/";
const path = mostly(
  fc.constantFrom("Echo", "Hang", "Produce", "Collect", "Converse").map((method) => service + method),
  fc.constantFrom(
    "/",
    "*",
    "/plugboard.plugin.v1.PluginService/GetManifest",
    `${service}Echo?connect=v1&message=%7B%7D`,
  ),
  latin1,
);
export const contentTypes = fc.constantFrom(
  ...["application/grpc", "application/grpc+proto", "application/grpc+json", "application/json", "application/proto"],
  ...["application/connect+proto", "application/connect+json", "application/grpc-web+proto", "text/html", ""],
);
const fields = fc.oneof(
  fc.tuple(
    fc.constantFrom("grpc-timeout", "connect-timeout-ms"),
    fc.constantFrom("1n", "99999999H", "-1", "1", "0", "x"),
  ),
  fc.tuple(
    fc.constantFrom("content-encoding", "grpc-encoding", "connect-content-encoding", "grpc-accept-encoding"),
    fc.constantFrom("gzip", "br", "identity", "none", ""),
  ),
  fc.tuple(
    fc.constantFrom("grpc-status", ":status", "content-length"),
    fc.constantFrom("0", "5", "17", "-1", "x", "200", "99"),
  ),
  fc.tuple(
    fc.constantFrom("grpc-message", "grpc-status-details-bin", "x-bin"),
    fc.constantFrom("%", "%ff", "a%20b", "AA==", "!"),
  ),
  fc.tuple(
    fc.constantFrom("te", "connection", "transfer-encoding", "upgrade", "expect"),
    fc.constantFrom("trailers", "chunked"),
  ),
  fc.tuple(fc.constantFrom("connect-protocol-version", "x-request-id", "cookie", "traceparent"), latin1),
  fc.tuple(latin1, latin1),
);

const block = (first: fc.Arbitrary<(readonly [string, string])[]>): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(first, fc.array(fields, { maxLength: 3 }))
    .map(([some, others]) => Buffer.concat([...some, ...others].map(literal)));

const requestHeaders = block(
  fc
    .record({ path, method: mostly(fc.constant("POST"), fc.constantFrom("GET", "CONNECT", "x")), type: contentTypes })
    .map(({ path, method, type }): [string, string][] => [
      [":method", method],
      [":scheme", "http"],
      [":authority", "localhost"],
      [":path", path],
      ["content-type", type],
      ["te", "trailers"],
    ]),
);
const responseHeaders = block(
  fc
    .tuple(
      mostly(fc.constant("200"), fc.constantFrom("100", "101", "204", "304", "404", "503", "99", "x")),
      contentTypes,
    )
    .map(([status, type]): [string, string][] => [
      [":status", status],
      ["content-type", type],
    ]),
);
const trailers = block(
  fc
    .tuple(fc.constantFrom("0", "1", "13", "16", "17", "-1", "x", ""), fc.constantFrom("", "m", "%e2%82"))
    .map(([status, message]): [string, string][] => [
      ["grpc-status", status],
      ["grpc-message", message],
    ]),
);

const uint32 = (values: fc.Arbitrary<number>): fc.Arbitrary<Uint8Array> =>
  values.map((value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return bytes;
  });
const joined = (...parts: readonly fc.Arbitrary<Uint8Array>[]): fc.Arbitrary<Uint8Array> =>
  fc.tuple(...parts).map((all) => Buffer.concat(all));

const streamIds = mostly(fc.constantFrom(1, 3, 5, 7), fc.constantFrom(0, 2, 4, 9, 0x7fffffff, 0x80000001));
const codes = uint32(mostly(fc.nat({ max: 14 }), fc.constantFrom(0x7fffffff, 0xffffffff)));
const setting = joined(
  fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 9, 0xffff).map((id) => Buffer.of(id >> 8, id & 255)),
  uint32(fc.constantFrom(0, 1, 2, 100, 16_384, 65_535, 0x7fffffff, 0xffffffff)),
);

/** Frames of one type, most of them as they should be. */
function frames(
  type: number,
  weight: number,
  flags: fc.Arbitrary<number>,
  payload: fc.Arbitrary<Uint8Array>,
  onStream = true,
) {
  return {
    weight,
    arbitrary: fc
      .tuple(
        mostly(fc.constant(type), fc.nat({ max: 12 })),
        mostly(flags, fc.nat({ max: 255 })),
        onStream ? streamIds : mostly(fc.constant(0), streamIds),
        mostly(payload, damaged(payload), junk),
        fc.option(fc.nat({ max: 20_000 }), { nil: undefined, freq: 20 }),
      )
      .map((parts) => frame(...parts)),
  };
}

const ended = fc.constantFrom(0x04, 0x05);
const body = fc.oneof(
  fc.array(envelopes, { maxLength: 3 }).map((all) => Buffer.concat(all)),
  fc.constant(Buffer.from("{}")),
);

function anyFrames(headers: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  return fc.oneof(
    frames(types.headers, 6, ended, headers),
    frames(types.headers, 1, fc.constantFrom(0, 1, 0x24), headers),
    frames(types.headers, 2, fc.constant(0x05), trailers),
    frames(types.data, 5, fc.constantFrom(0, 1), body),
    frames(types.reset, 2, fc.constant(0), codes),
    frames(
      types.settings,
      1,
      fc.constantFrom(0, 1),
      fc.array(setting, { maxLength: 3 }).map((all) => Buffer.concat(all)),
      false,
    ),
    frames(types.goAway, 1, fc.constant(0), joined(uint32(fc.constantFrom(0, 1, 3, 0x7fffffff)), codes, junk), false),
    frames(types.push, 1, ended, joined(uint32(fc.constantFrom(2, 4, 1)), requestHeaders)),
    frames(types.ping, 1, fc.constantFrom(0, 1), fc.uint8Array({ minLength: 8, maxLength: 8 }), false),
    frames(types.window, 1, fc.constant(0), uint32(fc.constantFrom(0, 1, 65_535, 0x7fffffff)), false),
    frames(types.continuation, 1, ended, headers),
    frames(types.priority, 1, fc.constant(0), joined(uint32(streamIds), fc.constant(Buffer.of(1)))),
    junk.map((bytes) => Buffer.from(bytes)),
  );
}

/** What one side sends after it has said that it speaks HTTP/2. */
function conversation(headers: fc.Arbitrary<Uint8Array>) {
  return fc.record({
    begins: mostly(fc.constant(Buffer.concat([settings, settingsAck])), fc.constant(Buffer.alloc(0))),
    frames: fc.array(anyFrames(headers), { maxLength: 10 }),
    places: cuts,
  });
}

/** The bytes of a client. */
export const fromClient = conversation(requestHeaders);
/** The bytes of a server. */
export const fromServer = conversation(responseHeaders);
