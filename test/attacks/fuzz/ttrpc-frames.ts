import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { KeyValue } from "../../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { KeyValueSchema, RequestSchema, ResponseSchema } from "../../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { encodeHeader } from "../../../src/ttrpc/wire/envelope.ts";
import { frameFlag, frameType, openFlags, uint32Bytes } from "../../../src/ttrpc/wire/frame.ts";
import {
  BehaviourService,
  CollectResponseSchema,
  ConverseResponseSchema,
  EchoResponseSchema,
  ProduceResponseSchema,
} from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { RawFrame } from "../../support/ttrpc/raw-frames.ts";
import { encodeFrame } from "../../support/ttrpc/raw-frames.ts";
import { anyText, damaged, junk, mostly } from "./generators.ts";

const keyValues = fc.array(
  fc
    .tuple(
      fc.oneof(
        fc.constantFrom("plugboard-stream", "plugboard-chunk", "x-one", "authorization", "grpc-timeout", "__proto__"),
        anyText,
      ),
      fc.oneof(fc.constantFrom("1", "0", ""), anyText),
    )
    .map(([key, value]) => create(KeyValueSchema, { key: key.toWellFormed(), value: value.toWellFormed() })),
  { maxLength: 4 },
);

const noKeyValues = fc.constant<KeyValue[]>([]);

const extended = fc.constantFrom<KeyValue[][]>(
  [],
  [create(KeyValueSchema, { key: "plugboard-stream", value: "1" })],
  ["plugboard-stream", "plugboard-chunk"].map((key) => create(KeyValueSchema, { key, value: "1" })),
);

/** Fields that Produce counts and measures by, or a text; what others take from them is as good as anything. */
const payload = mostly(
  fc.constantFrom(
    new Uint8Array(0),
    Uint8Array.of(0x10, 3),
    Uint8Array.of(0x10, 20, 0x18, 0xc0, 0x84, 0x3d),
    Uint8Array.of(0x0a, 2, 0x68, 0x69),
    new Uint8Array(1_000),
  ),
  junk,
);

const request = fc
  .record({
    service: mostly(
      fc.constant(BehaviourService.typeName),
      fc.constantFrom("", "plugboard.plugin.v1.PluginService"),
      anyText,
    ),
    method: mostly(
      fc.constantFrom("Echo", "Hang", "Produce", "Collect", "Converse", "Inspect"),
      fc.constant("GetManifest"),
      anyText,
    ),
    payload,
    timeoutNano: mostly(fc.constant(0n), fc.constantFrom(1n, -1n, 1_000_000n, 2n ** 63n - 1n, -(2n ** 63n))),
    metadata: fc.tuple(extended, mostly(noKeyValues, keyValues)).map((all) => all.flat()),
  })
  .map(({ service, method, ...rest }) =>
    toBinary(
      RequestSchema,
      create(RequestSchema, { service: service.toWellFormed(), method: method.toWellFormed(), ...rest }),
    ),
  );

const replies = [
  toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "hi" })),
  toBinary(ProduceResponseSchema, create(ProduceResponseSchema, { index: 1, data: new Uint8Array(70_000) })),
  toBinary(CollectResponseSchema, create(CollectResponseSchema, { messages: 2 })),
  toBinary(ConverseResponseSchema, create(ConverseResponseSchema, { text: "one" })),
];

const response = fc
  .record({
    payload: fc.oneof(fc.constantFrom(...replies), payload),
    status: fc.option(
      fc.record({
        code: fc.oneof(fc.nat({ max: 20 }), fc.integer()),
        message: anyText.map((text) => text.toWellFormed()),
      }),
      { nil: undefined },
    ),
    header: mostly(noKeyValues, keyValues),
    trailer: mostly(noKeyValues, keyValues),
  })
  .map(({ status, ...rest }) =>
    toBinary(ResponseSchema, create(ResponseSchema, { ...(status && { status }), ...rest })),
  );

const streamId = mostly(fc.constantFrom(1, 3, 5, 7, 9), fc.constantFrom(0, 2, 0x7fffffff, 0x80000001, 0xffffffff));
const flags = mostly(
  fc.constantFrom(frameFlag.none, ...Object.values(openFlags), frameFlag.remoteClosed | frameFlag.noData),
  fc.nat({ max: 255 }),
);
const lengths = fc.constantFrom(0, 1, 10, 5_000, 4 * 1024 * 1024, 0x7fffffff, 0x80000000, 0xffffffff).map(uint32Bytes);

/** Frames of one type with data as they should have it, for the most part. */
function frames(type: number, data: fc.Arbitrary<Uint8Array>, weight: number) {
  const frame: fc.Arbitrary<RawFrame> = fc.record({
    streamId,
    type: mostly(fc.constant(type), fc.nat({ max: 255 })),
    flags,
    data: mostly(data, damaged(data), junk),
  });
  return { weight, arbitrary: frame.map(encodeFrame) };
}

/** Frames, most of them as they should be, and now and then what is none. */
export const ttrpcFrames: fc.Arbitrary<Uint8Array> = fc.oneof(
  frames(frameType.request, request, 5),
  frames(frameType.response, response, 4),
  frames(frameType.data, fc.oneof(fc.constantFrom(...replies), payload), 5),
  frames(frameType.cancel, fc.constant(new Uint8Array(0)), 1),
  frames(frameType.header, keyValues.map(encodeHeader), 2),
  frames(frameType.window, lengths, 2),
  frames(frameType.ping, fc.uint8Array({ minLength: 8, maxLength: 8 }), 1),
  frames(frameType.chunk, fc.oneof(lengths, fc.constantFrom(...replies), junk), 3),
  {
    weight: 1,
    arbitrary: fc
      .record({
        streamId,
        type: fc.constantFrom(...Object.values(frameType)),
        flags,
        length: fc.nat({ max: 0xffffff }),
      })
      .map(encodeFrame),
  },
  { weight: 1, arbitrary: junk },
);
