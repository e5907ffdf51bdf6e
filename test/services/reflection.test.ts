import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_duration,
} from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import * as fc from "fast-check";
import type { Connection } from "plugboard";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import type { ServerReflectionRequestSchema } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1 } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { PluginService } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { DeclarationsService } from "../gen/plugboard/test/v1/declarations_pb.ts";
import type { LocalPlugin } from "../support/local-plugin.ts";
import { localProtocols, serveLocally } from "../support/local-plugin.ts";

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;
type Service = typeof V1 | typeof V1Alpha;

const versions: readonly Service[] = [V1, V1Alpha];
const file = {
  declarations: DeclarationsService.file.proto.name,
  plugin: PluginService.file.proto.name,
  duration: file_google_protobuf_duration.proto.name,
};

let plugin: LocalPlugin;
let connection: Connection;
beforeAll(async () => {
  plugin = await serveLocally();
  connection = await plugin.connect();
});
afterAll(async () => {
  await connection.close();
  await plugin[Symbol.asyncDispose]();
});

/** Asks on one stream, and gives back the responses. */
async function ask(questions: readonly Question[], { service = V1 as Service, via = connection, host = "" } = {}) {
  async function* requests() {
    for (const messageRequest of questions) {
      yield { host, messageRequest };
    }
  }
  // The versions differ by the names of their messages only.
  const client = via.client(service as typeof V1);
  return Array.fromAsync(client.serverReflectionInfo(requests()));
}

/** Asks on one stream, and gives back the names of the files in each response, or the code of the error. */
async function filesFor(...questions: readonly Question[]): Promise<(number | readonly string[])[]> {
  return (await ask(questions)).map(({ messageResponse: { case: what, value } }) => {
    if (what === "errorResponse") {
      return value.errorCode;
    }
    return what === "fileDescriptorResponse"
      ? value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
      : [];
  });
}

const symbol = (value: string): Question => ({ case: "fileContainingSymbol", value });
const fileNamed = (value: string): Question => ({ case: "fileByFilename", value });
const extension = (extensionNumber: number, containingType = "plugboard.test.v1.DeclareRequest"): Question => ({
  case: "fileContainingExtension",
  value: { containingType, extensionNumber },
});
const numbersOf = (value: string): Question => ({ case: "allExtensionNumbersOfType", value });
const list: Question = { case: "listServices", value: "" };

describe.each(localProtocols)("over %s", (protocol) => {
  test.each(versions)("$typeName lists all services by name", async (service) => {
    await using via = await plugin.connect(protocol);
    const [reply] = await ask([list], { service, via });
    expect(reply?.messageResponse).toMatchObject({
      case: "listServicesResponse",
      value: {
        service: [
          { name: Health.typeName },
          { name: V1.typeName },
          { name: V1Alpha.typeName },
          { name: PluginService.typeName },
          { name: DeclarationsService.typeName },
        ],
      },
    });
  });

  test("a stream that waits for questions ends when the plugin is told to stop", async () => {
    await using stopping = await serveLocally();
    await using via = await stopping.connect(protocol);
    const hangUp = Promise.withResolvers<void>();
    async function* requests() {
      yield { messageRequest: list };
      await hangUp.promise;
    }
    const replies = via.client(V1).serverReflectionInfo(requests())[Symbol.asyncIterator]();
    expect((await replies.next()).done).toBe(false);
    stopping.draining.abort();
    expect((await replies.next()).done).toBe(true);
    hangUp.resolve();
  });
});

test.each(versions)("$typeName responds to each request in its turn, and repeats it", async (service) => {
  const questions = [list, symbol("no.such.Symbol"), fileNamed(file.duration)] as const;
  const replies = await ask(questions, { service, host: "here" });
  expect(replies).toMatchObject(
    questions.map((messageRequest) => ({ validHost: "here", originalRequest: { host: "here", messageRequest } })),
  );
  expect(replies.map(({ messageResponse }) => messageResponse.case)).toEqual([
    "listServicesResponse",
    "errorResponse",
    "fileDescriptorResponse",
  ]);
});

test("a file comes with those that it imports, and again without those that the stream has had", async () => {
  const questions = [fileNamed(file.plugin), fileNamed(file.plugin), fileNamed(file.declarations)] as const;
  expect(await filesFor(...questions)).toEqual([[file.plugin, file.duration], [file.plugin], [file.declarations]]);
  expect(await filesFor(fileNamed(file.declarations))).toEqual([[file.declarations, file.duration]]);
});

test("the files make the services that are served", async () => {
  const [reply] = await ask([symbol(DeclarationsService.typeName)]);
  const response = reply?.messageResponse;
  const files = response?.case === "fileDescriptorResponse" ? response.value.fileDescriptorProto : [];
  // What is imported has to stand first there.
  const file = files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)).reverse();
  const set = create(FileDescriptorSetSchema, { file });
  const made = createFileRegistry(set).getService(DeclarationsService.typeName);
  expect(made?.file.proto).toEqual(DeclarationsService.file.proto);
});

test.each([
  "DeclarationsService",
  "DeclarationsService.Declare",
  "DeclareRequest",
  "DeclareRequest.Inner",
  "DeclareRequest.Inner.inner",
  "DeclareRequest.Nested",
  "DeclareRequest.NESTED_SAID",
  "DeclareRequest.nested",
  "DeclareRequest.either",
  "DeclareRequest.pause",
  "remark",
])("finds %s", async (name) => {
  expect(await filesFor(symbol(`plugboard.test.v1.${name}`))).toEqual([[file.declarations, file.duration]]);
});

test("finds what is declared in an imported file", async () => {
  expect(await filesFor(symbol("google.protobuf.Duration.nanos"))).toEqual([[file.duration]]);
});

test("finds extensions by their numbers, and the numbers by the message", async () => {
  expect(await filesFor(extension(120), extension(150))).toEqual([
    [file.declarations, file.duration],
    [file.declarations],
  ]);
  const replies = await ask([numbersOf("plugboard.test.v1.DeclareRequest"), numbersOf("google.protobuf.Duration")]);
  expect(replies.map(({ messageResponse }) => messageResponse)).toMatchObject([
    {
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: "plugboard.test.v1.DeclareRequest", extensionNumber: [120, 150] },
    },
    {
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: "google.protobuf.Duration", extensionNumber: [] },
    },
  ]);
});

test.each<[string, Question]>([
  ["file", fileNamed("no/such/file.proto")],
  ["symbol", symbol("no.such.Symbol")],
  ["symbol by a part of its name", symbol("plugboard.test.v1")],
  ["symbol of an object in JavaScript", symbol("__proto__")],
  ["extension of a message", extension(121)],
  ["extension of what is no message", extension(120, "plugboard.test.v1.DeclarationsService")],
  ["message to be extended", numbersOf("plugboard.test.v1.DeclarationsService")],
])("says that there is no such %s, and goes on", async (_, question) => {
  expect(await filesFor(question, symbol("google.protobuf.Duration"))).toEqual([Code.NotFound, [file.duration]]);
});

test("refuses names that are longer than any, without telling them again", async () => {
  const long = "a".repeat(1025);
  const questions = [fileNamed(long), symbol(long), extension(1, long), numbersOf(long), { ...list, value: long }];
  const replies = [...(await ask(questions)), ...(await ask([list], { host: long }))];
  expect(replies).toHaveLength(6);
  for (const reply of replies) {
    expect(reply).toMatchObject({ validHost: "", messageResponse: { value: { errorCode: Code.InvalidArgument } } });
    expect(reply.originalRequest).toBeUndefined();
  }
});

test("says so when nothing is asked", async () => {
  expect(await filesFor({ case: undefined })).toEqual([Code.InvalidArgument]);
});

test("responds to any request", async () => {
  const names = fc.oneof(fc.string(), fc.constantFrom("constructor", "google.protobuf.Duration", file.plugin));
  const question: fc.Arbitrary<Question> = fc.oneof(
    names.map(fileNamed),
    names.map(symbol),
    names.map(numbersOf),
    fc.tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), names).map(([number, name]) => extension(number, name)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(question, { maxLength: 10 }), async (questions) => {
      const replies = await ask(questions);
      expect(replies.map(({ originalRequest }) => originalRequest?.messageRequest)).toMatchObject(questions);
      expect(replies.every(({ messageResponse }) => messageResponse.case !== undefined)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("a plugin's own reflection takes the place of the standard one, of that version alone", async () => {
  await using own = await serveLocally((router) =>
    router.service(V1, {
      async *serverReflectionInfo() {
        yield { validHost: "own" };
      },
    }),
  );
  await using via = await own.connect();
  expect((await ask([list], { via }))[0]?.validHost).toBe("own");
  expect((await ask([list], { via, service: V1Alpha }))[0]?.messageResponse.case).toBe("listServicesResponse");
});
