import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, decodeBinaryHeader } from "@connectrpc/connect";
import {
  codeFromString,
  codeToHttpStatus,
  endStreamFromJson,
  errorFromJson,
} from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StatusSchema } from "../../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { endOfStream, errorJson, httpStatus } from "../../../src/http/wire/connect-error.ts";
import { setGrpcStatus, trailerBlock } from "../../../src/http/wire/grpc-status.ts";

// The model is Connect's own: what its clients make of what is written here.

const codes = Object.values(Code).filter((code): code is Code => typeof code === "number");

const errors = fc
  .record({
    message: fc.string({ unit: "grapheme" }),
    code: fc.constantFrom(...codes),
    details: fc.array(fc.record({ type: fc.constantFrom("a.B", "c.d.E"), value: fc.uint8Array() })),
  })
  .map(({ message, code, details }) => {
    const error = new ConnectError(message, code);
    error.details = details;
    return error;
  });

const seen = ({ code, rawMessage, details }: ConnectError) => ({
  code,
  rawMessage,
  details: details.map((detail) => "type" in detail && [detail.type, Buffer.from(detail.value)]),
});

const fallback = new ConnectError("not read", Code.Unknown);

describe.each(codes)("code %i", (code) => {
  test("has the HTTP status that Connect gives it", () => {
    expect(httpStatus(code)).toBe(codeToHttpStatus(code));
  });

  test("has the name that Connect reads", () => {
    const { code: name } = JSON.parse(JSON.stringify(errorJson(new ConnectError("", code))));
    expect(codeFromString(name)).toBe(code);
  });
});

test("an error in JSON is what Connect's client makes of it", () => {
  fc.assert(
    fc.property(errors, (error) => {
      const json = JSON.parse(JSON.stringify(errorJson(error)));
      expect(seen(errorFromJson(json, undefined, fallback))).toEqual(seen(error));
    }),
  );
});

test("the end of a stream is what Connect's client makes of it", () => {
  fc.assert(
    fc.property(fc.option(errors, { nil: undefined }), (error) => {
      const end = endStreamFromJson(endOfStream(new Headers({ "x-one": "1", "x-two": "a, b" }), error));
      expect(Object.fromEntries(end.metadata)).toEqual({ "x-one": "1", "x-two": "a, b" });
      expect(end.error && seen(end.error)).toEqual(error && seen(error));
    }),
  );
});

test("the status in gRPC's trailers is what Connect's client makes of it, also in the body of gRPC-Web", () => {
  fc.assert(
    fc.property(fc.option(errors, { nil: undefined }), (error) => {
      const trailer = new Headers({ "x-one": "1" });
      setGrpcStatus(trailer, error);
      const read = trailerParse(trailerBlock(trailer));
      expect(Object.fromEntries(read)).toEqual(Object.fromEntries(trailer));
      expect(read.get("x-one")).toBe("1");
      const found = findTrailerError(read);
      expect(found && seen(found)).toEqual(error && seen(error));
    }),
  );
});

test("a handler's own grpc-status does not stand in the way of the call's", () => {
  const trailer = new Headers({ "grpc-status": "7" });
  setGrpcStatus(trailer, undefined);
  expect(trailer.get("grpc-status")).toBe("0");
});

test("details are told in the message that other implementations of gRPC read", () => {
  const error = new ConnectError("no", Code.NotFound);
  error.details = [{ type: "a.B", value: Uint8Array.of(1) }];
  const trailer = new Headers();
  setGrpcStatus(trailer, error);
  const details = [{ typeUrl: "type.googleapis.com/a.B", value: Uint8Array.of(1) }];
  const status = create(StatusSchema, { code: Code.NotFound, message: "no", details });
  expect(decodeBinaryHeader(trailer.get("grpc-status-details-bin") ?? "")).toEqual(toBinary(StatusSchema, status));
});
