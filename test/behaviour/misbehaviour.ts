import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { CollectRequestSchema, EchoRequestSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** A ConnectError that TypeScript would not let one make. */
function malformed(change: Record<string, unknown>): ConnectError {
  return Object.assign(new ConnectError("swordfish", Code.Unavailable), change);
}

function thrower(thrown: () => unknown): () => never {
  return () => {
    throw thrown();
  };
}

const swordfish = () => {
  throw new Error("swordfish");
};

/** What handlers throw that is no error for a caller, or none that a protocol could carry. */
export const unfitErrors: Readonly<Record<string, () => never>> = {
  "throws an error that is no ConnectError": thrower(() => new Error("swordfish")),
  "throws null": thrower(() => null),
  "throws undefined": thrower(() => undefined),
  "throws a text": thrower(() => "swordfish"),
  "throws a symbol": thrower(() => Symbol("swordfish")),
  "throws a frozen object": thrower(() => Object.freeze({ swordfish: true })),
  "throws an object that is part of itself": thrower(() => {
    const itself: { itself?: unknown } = {};
    itself.itself = itself;
    return itself;
  }),
  "throws a proxy that lets no one look at it": thrower(
    () => new Proxy(new Error("swordfish"), { get: swordfish, has: swordfish, getPrototypeOf: swordfish }),
  ),
  "throws an error whose stack can't be read": thrower(() =>
    Object.defineProperty(new Error("swordfish"), "stack", { get: swordfish }),
  ),
  "throws an error whose message can't be read": thrower(() =>
    Object.defineProperty(new ConnectError("swordfish", Code.Unavailable), "rawMessage", { get: swordfish }),
  ),
  "throws an error whose detail does not fit its type": thrower(
    () =>
      new ConnectError("swordfish", Code.Unavailable, undefined, [
        { desc: CollectRequestSchema, value: { failCode: 0.5 } },
      ]),
  ),
  "throws an error whose detail has no bytes": thrower(() =>
    malformed({ details: [{ type: "example.Detail", value: "swordfish" }] }),
  ),
  "throws an error whose details are no list": thrower(() => malformed({ details: undefined })),
  "throws an error whose code is no code": thrower(() => malformed({ code: 5.5 })),
  "throws an error whose code is out of range": thrower(() => malformed({ code: 99 })),
  "throws an error whose message is no text": thrower(() => malformed({ rawMessage: 5 })),
  "throws an error whose metadata is missing": thrower(() => malformed({ metadata: undefined })),
  "throws an error whose metadata is none": thrower(() => malformed({ metadata: { "no name": "swordfish" } })),
};

/** What handlers give that is no message of their method. */
export const unfitMessages: Readonly<Record<string, () => unknown>> = {
  "gives undefined": () => undefined,
  "gives null": () => null,
  "gives a text": () => "swordfish",
  "gives a number where a text belongs": () => ({ text: 5 }),
  "gives a text where bytes belong": () => ({ data: "swordfish" }),
  "gives a number where a boolean belongs": () => ({ truth: 1 }),
  "gives a text where a number belongs": () => ({ number: "5" }),
  "gives a fraction where a whole number belongs": () => ({ number: 0.5 }),
  "gives a number that is too large": () => ({ number: 2 ** 31 }),
};

/** What is told to callers although it is not quite as it should be. */
export const mended: Readonly<Record<string, (context: HandlerContext) => unknown>> = {
  "throws an error with half a character": thrower(
    () =>
      new ConnectError("cut \ud83d", Code.NotFound, { "x-error": "metadata" }, [
        { desc: EchoRequestSchema, value: { text: "cut \ud83d" } },
      ]),
  ),
  "gives half a character": () => ({ text: "cut \ud83d" }),
  "throws an error that passes on the headers of another response": thrower(
    () =>
      new ConnectError("elsewhere", Code.NotFound, {
        "x-error": "metadata",
        connection: "close",
        "keep-alive": "timeout=5",
        "transfer-encoding": "chunked",
        "content-length": "5",
        "content-type": "text/html",
        "set-cookie": "session=other",
        "access-control-allow-origin": "*",
        "clear-site-data": '"*"',
        refresh: "0; url=https://example.com",
      }),
  ),
  "throws an error with metadata of 200 names": thrower(
    () =>
      new ConnectError("many", Code.NotFound, new Headers(Array.from({ length: 200 }, (_, n) => [`x-many-${n}`, "v"]))),
  ),
  "throws an error with metadata beyond ASCII": thrower(
    () =>
      new ConnectError("beyond", Code.NotFound, { "x-error": "metadata", "x-beyond": "gr\u00fc\u00dfe \u0080\u00ff" }),
  ),
  "throws an error after it has set what can't be sent": ({ responseHeader, responseTrailer }) => {
    responseHeader.set("x-own", "gr\u00fc\u00dfe");
    responseTrailer.set("x-own-trailer", "gr\u00fc\u00dfe");
    responseTrailer.set("grpc-status-details-bin", "!!!");
    responseTrailer.set("grpc-message", "100%");
    throw new ConnectError("afterwards", Code.NotFound, { "x-error": "metadata" });
  },
  "throws an error with a control character in its metadata": thrower(
    () => new ConnectError("escaping", Code.NotFound, { "x-error": "metadata", "x-escape": "\u001b[2J" }),
  ),
};

/** Bytes of the parts of an error. */
export const errorSizes = {
  "1 KiB": 1024,
  "8 KiB": 8192,
  "more than 8 KiB": 8193,
  "64 KiB": 64 * 1024,
  "5 MiB": 5 * 1024 * 1024,
};

/** The name of metadata whose length is asked for. */
export const longName = "x-long";

const detailOf = (bytes: number) => ({ type: "example.Detail", value: new Uint8Array(bytes).fill(7) });
const metadataOf = (bytes: number) => ({ [longName]: "x".repeat(bytes - longName.length) });

/** Errors that are long: of each, what is beyond 8 KiB does not arrive. */
export const longErrors: Readonly<Record<string, () => never>> = Object.fromEntries([
  ...Object.entries(errorSizes).flatMap(([size, bytes]) => [
    [`throws an error whose message has ${size}`, thrower(() => new ConnectError("x".repeat(bytes), Code.NotFound))],
    [
      `throws an error whose detail has ${size}`,
      thrower(() => Object.assign(new ConnectError("detailed", Code.NotFound), { details: [detailOf(bytes)] })),
    ],
    [
      `throws an error whose metadata has ${size}`,
      thrower(() => new ConnectError("with metadata", Code.NotFound, metadataOf(bytes))),
    ],
  ]),
  [
    "throws an error of which everything is as long as may be",
    thrower(() =>
      Object.assign(new ConnectError("\u4e16".repeat(3000), Code.NotFound, metadataOf(8192)), {
        details: [detailOf(4096), detailOf(4096)],
      }),
    ),
  ],
]);

/** Everything that Misbehave and MisbehaveStreaming do, by name. */
export const misbehaviour: Readonly<Record<string, (context: HandlerContext) => unknown>> = {
  ...unfitErrors,
  ...unfitMessages,
  ...mended,
  ...longErrors,
};
