import type { DescMethodStreaming, DescMethodUnary, DescService } from "@bufbuild/protobuf";
import { clone, create, createFileRegistry } from "@bufbuild/protobuf";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import type { Manifest } from "plugboard";
import { connect, definePlugin, PluginService } from "plugboard";
import { describe, expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import type { EchoResponse } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import {
  BehaviourService,
  EchoRequestSchema,
  EchoResponseSchema,
  file_plugboard_test_v1_behaviour,
} from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../support/rejection.ts";

// What test/behaviour/suite.ts asserts of every route is not repeated here.

const connectTo = (routes: (router: ConnectRouter) => unknown) =>
  connect(definePlugin({ name: "sample", version: "1.0.0", routes }));

describe("neither side can reach into the other's objects", () => {
  test("by a response that the handler keeps", async () => {
    const kept = create(EchoResponseSchema, { text: "as it was", data: Uint8Array.of(1) });
    await using connection = await connectTo((router) => router.rpc(BehaviourService.method.echo, () => kept));
    const client = connection.client(BehaviourService);
    const received = await client.echo({});
    received.text = "changed";
    received.data[0] = 9;
    expect(kept).toMatchObject({ text: "as it was", data: Uint8Array.of(1) });
    kept.data[0] = 7;
    expect(received.data).toEqual(Uint8Array.of(9));
    expect((await client.echo({})).data).toEqual(Uint8Array.of(7));
  });

  test("by a request that the handler changes", async () => {
    await using connection = await connectTo((router) =>
      router.rpc(BehaviourService.method.echo, (request) => {
        request.text = "changed";
        request.data[0] = 9;
        return {};
      }),
    );
    const request = create(EchoRequestSchema, { text: "as it was", data: Uint8Array.of(1) });
    await connection.client(BehaviourService).echo(request);
    expect(request).toMatchObject({ text: "as it was", data: Uint8Array.of(1) });
  });

  test("by messages in messages and in lists", async () => {
    await using one = await connectTo((router) => router.service(MarkdownService, {}));
    const describe = async () => (await one.client(PluginService).describe({})).manifest as Manifest;
    const first = await describe();
    const [service] = first.services;
    const [method] = service?.methods ?? [];
    expect(method?.name).toBe("Render");
    Object.assign(method ?? {}, { name: "changed" });
    service?.methods.pop();
    first.services.length = 0;
    first.protocolVersions.push(99);
    const second = await describe();
    expect(second.services[0]?.methods.map((each) => each.name)).toEqual(["Render", "Outline", "Assemble", "Preview"]);
    expect(second.protocolVersions).toEqual([1]);
  });

  test("by messages of a stream, in either direction", async () => {
    const kept: { data: Uint8Array }[] = [];
    await using connection = await connectTo((router) => {
      router.rpc(BehaviourService.method.collect, async (requests) => {
        for await (const request of requests) {
          request.data[0] = 9;
          kept.push(request);
        }
        return {};
      });
      router.rpc(BehaviourService.method.produce, async function* () {
        const message = { index: 0, data: Uint8Array.of(1) };
        yield message;
        message.data[0] = 2;
        yield message;
      });
    });
    const client = connection.client(BehaviourService);
    const data = Uint8Array.of(1);
    async function* requests() {
      yield { data };
      yield { data };
    }
    await client.collect(requests());
    expect(data).toEqual(Uint8Array.of(1));
    expect(kept).toHaveLength(2);
    expect(kept[0]?.data).not.toBe(kept[1]?.data);
    const received = await Array.fromAsync(client.produce({}));
    expect(received.map((each) => each.data[0])).toEqual([1, 2]);
  });

  test("by the header of a request, of a response, or of an error", async () => {
    const kept: { header?: Headers } = {};
    const detail = { desc: EchoRequestSchema, value: create(EchoRequestSchema, { text: "as it was" }) };
    const thrown = new ConnectError("as asked", Code.Aborted, { "x-error": "as it was" }, [detail]);
    await using connection = await connectTo((router) => {
      router.rpc(BehaviourService.method.echo, (_request, { requestHeader }) => {
        requestHeader.set("x-request", "changed");
        kept.header = requestHeader;
        return {};
      });
      router.rpc(BehaviourService.method.fail, () => {
        throw thrown;
      });
    });
    const client = connection.client(BehaviourService);
    const headers = new Headers({ "x-request": "as it was" });
    await client.echo({}, { headers });
    expect(headers.get("x-request")).toBe("as it was");
    expect(kept.header).not.toBe(headers);
    const error = await rejection(client.fail({}));
    expect(error).not.toBe(thrown);
    expect(error.stack).not.toBe(thrown.stack);
    error.metadata.set("x-error", "changed");
    expect(thrown.metadata.get("x-error")).toBe("as it was");
    detail.value.text = "changed";
    expect(error.findDetails(EchoRequestSchema)).toMatchObject([{ text: "as it was" }]);
  });

  test("by context values: the caller's stay on the caller's side", async () => {
    const secret = createContextKey("nothing");
    const seen: string[] = [];
    await using connection = await connectTo((router) =>
      router.rpc(BehaviourService.method.echo, (_request, { values }) => {
        seen.push(values.get(secret));
        return {};
      }),
    );
    const contextValues = createContextValues().set(secret, "the caller's");
    await connection.client(BehaviourService).echo({}, { contextValues });
    expect(seen).toEqual(["nothing"]);
  });
});

describe("unknown fields", () => {
  test("unknown fields that a newer contract sent travel on, as over a wire", async () => {
    await using connection = await connectTo((router) =>
      router.rpc(BehaviourService.method.echo, ({ $unknown }) => {
        const response = create(EchoResponseSchema);
        if ($unknown !== undefined) {
          response.$unknown = $unknown;
        }
        return response;
      }),
    );
    const request = create(EchoRequestSchema);
    request.$unknown = [{ no: 99, wireType: 0, data: Uint8Array.of(1) }];
    const response = await connection.client(BehaviourService).echo(request);
    expect(response.$unknown).toEqual([{ no: 99, wireType: 0, data: Uint8Array.of(1) }]);
  });
});

describe("when the caller's contract and the plugin's disagree on the kind of a method", () => {
  /** BehaviourService as a caller has it whose contract is another version's. */
  function otherContract(change: (file: FileDescriptorProto) => void): DescService {
    const file = clone(FileDescriptorProtoSchema, file_plugboard_test_v1_behaviour.proto);
    change(file);
    const registry = createFileRegistry(file, () => undefined);
    const service = registry.getService(BehaviourService.typeName);
    if (service === undefined) {
      throw new Error("the changed contract has no such service");
    }
    return service;
  }

  const change = (name: string, streaming: { clientStreaming?: boolean; serverStreaming?: boolean }) =>
    otherContract((file) => {
      const method = file.service[0]?.method.find((each) => each.name === name);
      Object.assign(method ?? {}, streaming);
    });

  test.each([
    [
      "echo",
      { name: "Echo", streaming: { serverStreaming: true }, said: "is unary in the plugin, not server_streaming" },
    ],
    [
      "collect",
      { name: "Collect", streaming: { clientStreaming: false }, said: "is client_streaming in the plugin, not unary" },
    ],
    [
      "produce",
      {
        name: "Produce",
        streaming: { clientStreaming: true },
        said: "is server_streaming in the plugin, not bidi_streaming",
      },
    ],
    [
      "converse",
      {
        name: "Converse",
        streaming: { serverStreaming: false },
        said: "is bidi_streaming in the plugin, not client_streaming",
      },
    ],
  ])("%s fails with unimplemented and says so", async (localName, { name, streaming, said }) => {
    let called = false;
    const note = () => {
      called = true;
      return {};
    };
    async function* noteAll() {
      yield note();
    }
    await using connection = await connectTo((router) =>
      router.service(BehaviourService, {
        echo: note,
        collect: async () => note(),
        produce: noteAll,
        converse: noteAll,
      }),
    );
    const service = change(name, streaming);
    // Which of the two it is, its kind tells.
    const method = service.method[localName] as DescMethodUnary | DescMethodStreaming | undefined;
    if (method === undefined) {
      throw new Error("the changed contract has no such method");
    }
    const error = await rejection(call(connection.transport, method));
    expect(error.code).toBe(Code.Unimplemented);
    expect(error.rawMessage).toBe(`plugboard.test.v1.BehaviourService/${name} ${said}`);
    expect(called).toBe(false);
  });
});

/** Calls a method of which only the descriptor is known. */
async function call(transport: Transport, method: DescMethodUnary | DescMethodStreaming): Promise<unknown> {
  async function* one() {
    yield {};
  }
  if (method.methodKind === "unary") {
    return transport.unary(method, undefined, undefined, undefined, {});
  }
  const { message } = await transport.stream(method, undefined, undefined, undefined, one());
  return Array.fromAsync(message);
}

describe("response headers", () => {
  test("of a stream are there before its first message", async () => {
    await using connection = await connectTo((router) =>
      router.rpc(BehaviourService.method.produce, async function* (_request, { responseHeader }) {
        responseHeader.set("x-response", "header");
        yield { index: 0 };
        yield { index: 1 };
      }),
    );
    const events: string[] = [];
    const responses = connection.client(BehaviourService).produce(
      {},
      {
        onHeader: (header) => void events.push(`header ${header.get("x-response")}`),
        onTrailer: () => void events.push("trailer"),
      },
    );
    for await (const { index } of responses) {
      events.push(`message ${index}`);
    }
    expect(events).toEqual(["header header", "message 0", "message 1", "trailer"]);
  });

  test("are there, and trailers, if a stream has no message", async () => {
    await using connection = await connectTo((router) =>
      // biome-ignore lint/correctness/useYield: A stream without messages is what is asked for.
      router.rpc(BehaviourService.method.produce, async function* (_request, context) {
        context.responseHeader.set("x-response", "header");
        context.responseTrailer.set("x-response-trailer", "trailer");
      }),
    );
    const seen: (string | null)[] = [];
    const responses = connection.client(BehaviourService).produce(
      {},
      {
        onHeader: (header) => void seen.push(header.get("x-response")),
        onTrailer: (trailer) => void seen.push(trailer.get("x-response-trailer")),
      },
    );
    expect(await Array.fromAsync(responses)).toEqual([]);
    expect(seen).toEqual(["header", "trailer"]);
  });

  test("are there if a stream fails before its first message, and the error has them too", async () => {
    await using connection = await connectTo((router) =>
      // biome-ignore lint/correctness/useYield: A stream that fails at once is what is asked for.
      router.rpc(BehaviourService.method.produce, async function* (_request, { responseHeader }) {
        responseHeader.set("x-response", "header");
        throw new ConnectError("as asked", Code.NotFound);
      }),
    );
    const error = await rejection(Array.fromAsync(connection.client(BehaviourService).produce({})));
    expect(error.code).toBe(Code.NotFound);
    expect(error.metadata.get("x-response")).toBe("header");
  });
});

describe("a handler that responds with what its contract does not allow", () => {
  test("fails with internal error, and the values stay with the plugin", async () => {
    const wrong = { text: 7, data: "swordfish" } as unknown as EchoResponse;
    await using connection = await connectTo((router) => router.rpc(BehaviourService.method.echo, () => wrong));
    const error = await rejection(connection.client(BehaviourService).echo({}));
    expect(error.code).toBe(Code.Internal);
    expect(error.message).not.toContain("swordfish");
  });
});

test("a conversation without I/O does not keep timers from their turn", async () => {
  await using connection = await connectTo((router) =>
    router.rpc(BehaviourService.method.converse, async function* (requests) {
      for await (const { text } of requests) {
        yield { text };
      }
    }),
  );
  let fired = false;
  setTimeout(() => {
    fired = true;
  }, 0);
  async function* endless() {
    for (;;) {
      yield { text: "again" };
    }
  }
  for await (const _ of connection.client(BehaviourService).converse(endless())) {
    if (fired) {
      break;
    }
  }
  expect(fired).toBe(true);
});
