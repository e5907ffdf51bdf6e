import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { KeyValue, Status } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { MetadataSchema, ResponseSchema } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { maxDataBytes } from "../limits.ts";
import { frameFlag, frameType } from "./frame.ts";
import type { FrameWriter } from "./frame-writer.ts";

// The messages of plugboard/ttrpc/v1/ttrpc.proto. What every call has is read and written by hand, as protobuf-es would
// take more time for the envelope than for the message in it; a test holds both against each other.

/** Metadata that asks for our extensions on a stream. */
const extensionKeys = { extended: "plugboard-stream", chunked: "plugboard-chunk" } as const;
const extensionValue = "1";

/** The extensions of ours that a caller asks for on a stream. */
export interface StreamExtensions {
  /** plugboard.stream.v1 */
  readonly extended: boolean;
  /** plugboard.chunk.v1, which needs the other. */
  readonly chunked: boolean;
}

/** The request that opens a stream. */
export interface Request extends StreamExtensions {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Time left until the deadline, in milliseconds; `undefined` without one. */
  readonly timeoutMs: number | undefined;
  readonly metadata: readonly KeyValue[];
}

/** The response that ends a stream. */
export interface Response {
  /** Missing if all went well. */
  readonly status?: Status | undefined;
  readonly payload: Uint8Array;
  readonly header: readonly KeyValue[];
  readonly trailer: readonly KeyValue[];
}

const tag = {
  service: 0x0a,
  method: 0x12,
  requestPayload: 0x1a,
  timeoutNano: 0x20,
  metadata: 0x2a,
  status: 0x0a,
  responsePayload: 0x12,
  header: 0x72,
  trailer: 0x7a,
} as const;

const empty = new Uint8Array(0);

/** The part of a request that is the same for all calls of a method. */
export function encodeMethod(service: string, method: string): Uint8Array {
  return new BinaryWriter().uint32(tag.service).string(service).uint32(tag.method).string(method).finish();
}

/** The part of a request that is the same for all calls with the same headers. */
export function encodeMetadata(headers: Headers | undefined, { extended, chunked }: StreamExtensions): Uint8Array {
  headers?.forEach((value, key) => {
    writeMetadata(key, value);
  });
  if (extended) {
    writeMetadata(extensionKeys.extended, extensionValue);
  }
  if (chunked) {
    writeMetadata(extensionKeys.chunked, extensionValue);
  }
  return writer.finish();
}

/** Made once, as its memory costs more than what is written. */
const writer = new BinaryWriter();

function writeMetadata(key: string, value: string) {
  writer.tag(5, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(key).tag(2, WireType.LengthDelimited).string(value);
  writer.join();
}

/** The parts of a request frame. */
export interface RequestParts {
  /** Made by `encodeMethod`. */
  readonly method: Uint8Array;
  readonly payload: Uint8Array;
  readonly timeoutMs: number | undefined;
  /** Made by `encodeMetadata`. */
  readonly metadata: Uint8Array;
}

/** Bytes of the data of a request frame. */
export function requestLength({ method, payload, timeoutMs, metadata }: RequestParts): number {
  return method.byteLength + fieldLength(payload) + timeoutLength(timeoutMs) + metadata.byteLength;
}

/** Writes the data of a request frame. */
export function writeRequest(bytes: Uint8Array, at: number, parts: RequestParts): void {
  const { method, payload, timeoutMs, metadata } = parts;
  bytes.set(method, at);
  let next = writeField(bytes, at + method.byteLength, tag.requestPayload, payload);
  if (timeoutMs !== undefined) {
    bytes[next] = tag.timeoutNano;
    next = writeVarint(bytes, next + 1, nanoseconds(timeoutMs));
  }
  bytes.set(metadata, next);
}

/**
 * Reads the data of a request frame.
 * @throws Error if it is none.
 */
export function readRequest(bytes: Uint8Array): Request {
  const reader = new BinaryReader(bytes);
  let service = "";
  let method = "";
  let payload: Uint8Array = empty;
  let timeoutMs: number | undefined;
  let extended = false;
  let chunked = false;
  const metadata: KeyValue[] = [];
  while (reader.pos < reader.len) {
    const next = reader.uint32();
    switch (next) {
      case tag.service:
        service = reader.string();
        break;
      case tag.method:
        method = reader.string();
        break;
      case tag.requestPayload:
        payload = reader.bytes();
        break;
      case tag.timeoutNano: {
        // What is over already, as a plain peer may say it, ends at once.
        const nanos = Number(reader.int64());
        timeoutMs = nanos === 0 ? undefined : Math.max(nanos / 1e6, 0);
        break;
      }
      case tag.metadata: {
        const entry = readKeyValue(reader);
        if (entry.key === extensionKeys.extended) {
          extended = entry.value === extensionValue;
        } else if (entry.key === extensionKeys.chunked) {
          chunked = entry.value === extensionValue;
        } else {
          metadata.push(entry);
        }
        break;
      }
      default:
        reader.skip(next & 7, next >>> 3);
    }
  }
  return { service, method, payload, timeoutMs, metadata, extended, chunked: extended && chunked };
}

function readKeyValue(reader: BinaryReader): KeyValue {
  const end = reader.uint32() + reader.pos;
  let key = "";
  let value = "";
  while (reader.pos < end) {
    const next = reader.uint32();
    if (next === tag.service) {
      key = reader.string();
    } else if (next === tag.method) {
      value = reader.string();
    } else {
      reader.skip(next & 7, next >>> 3);
    }
  }
  if (reader.pos !== end) {
    throw new RangeError("metadata is longer than it says");
  }
  return { $typeName: "plugboard.ttrpc.v1.KeyValue", key, value };
}

/** Writes a response frame with nothing but a message in it. */
export function writePayloadResponse(writer: FrameWriter, streamId: number, payload: Uint8Array): void {
  const at = writer.begin(fieldLength(payload), streamId, frameType.response, frameFlag.none);
  writeField(writer.bytes, at, tag.responsePayload, payload);
}

/** True if a message fits into a response frame. */
export function fitsResponse(payload: Uint8Array): boolean {
  return fieldLength(payload) <= maxDataBytes;
}

/** The data of any response frame. */
export function encodeResponse(response: {
  status?: Status;
  payload?: Uint8Array;
  header?: KeyValue[];
  trailer?: KeyValue[];
}): Uint8Array {
  return toBinary(ResponseSchema, {
    $typeName: ResponseSchema.typeName,
    payload: empty,
    header: [],
    trailer: [],
    ...response,
  });
}

/**
 * Reads the data of a response frame.
 * @throws Error if it is none.
 */
export function readResponse(bytes: Uint8Array): Response {
  if (bytes[0] !== tag.responsePayload) {
    return fromBinary(ResponseSchema, bytes);
  }
  // Nearly all of them: a message, and nothing else.
  const reader = new BinaryReader(bytes);
  reader.uint32();
  const payload = reader.bytes();
  return reader.pos === reader.len ? { payload, header: [], trailer: [] } : fromBinary(ResponseSchema, bytes);
}

/** The data of a Header frame. */
export function encodeHeader(entries: KeyValue[]): Uint8Array {
  return toBinary(MetadataSchema, { $typeName: MetadataSchema.typeName, entries });
}

/**
 * Reads the data of a Header frame.
 * @throws Error if it is none.
 */
export function readHeader(bytes: Uint8Array): readonly KeyValue[] {
  return fromBinary(MetadataSchema, bytes).entries;
}

function fieldLength(payload: Uint8Array): number {
  return payload.byteLength === 0 ? 0 : 1 + varintLength(payload.byteLength) + payload.byteLength;
}

function writeField(bytes: Uint8Array, at: number, fieldTag: number, payload: Uint8Array): number {
  if (payload.byteLength === 0) {
    return at;
  }
  bytes[at] = fieldTag;
  const next = writeVarint(bytes, at + 1, payload.byteLength);
  bytes.set(payload, next);
  return next + payload.byteLength;
}

function timeoutLength(timeoutMs: number | undefined): number {
  return timeoutMs === undefined ? 0 : 1 + varintLength(nanoseconds(timeoutMs));
}

/** At least one, as zero means no deadline; at most what a number holds exactly, which is 104 days. */
function nanoseconds(timeoutMs: number): number {
  return Math.min(Math.max(Math.round(timeoutMs * 1e6), 1), Number.MAX_SAFE_INTEGER);
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    length += 1;
  }
  return length;
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let next = at;
  let rest = value;
  while (rest >= 0x80) {
    bytes[next] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
    next += 1;
  }
  bytes[next] = rest;
  return next + 1;
}
