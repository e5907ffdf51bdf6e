import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { DescMethod, JsonValue, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromJson, toJson } from "@bufbuild/protobuf";
import type { Code, Transport } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import type { GoProgram } from "./go-program.ts";

/** A process of the Go program that calls over one connection. */
export interface GoClient extends AsyncDisposable {
  readonly transport: Transport;
  readonly process: ChildProcess;
}

/** A line of the program's output; see client.go. */
interface Result {
  readonly id: number;
  readonly message?: JsonValue;
  readonly end?: true;
  readonly error?: {
    readonly code: Code;
    readonly message: string;
    readonly details: readonly { readonly typeUrl: string; readonly value: string }[];
  };
}

/** Starts a client, to be used like any other of Connect; it knows no cancellation, and of streams no deadline. */
export function startGoClient({ command, descriptors }: GoProgram, path: string): GoClient {
  const client = spawn(command, ["client", descriptors, path], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(client, "exit");
  const waiting = new Map<number, PromiseWithResolvers<Result>>();
  let lastId = 0;
  client.stdin.on("error", () => undefined);
  createInterface({ input: client.stdout }).on("line", (line) => {
    const result: Result = JSON.parse(line);
    waiting.get(result.id)?.resolve(result);
    waiting.delete(result.id);
  });
  void exited.then(() => {
    for (const { reject } of waiting.values()) {
      reject(new Error("the Go client has ended"));
    }
  });

  async function run(op: string, options: Readonly<Record<string, unknown>>): Promise<Result> {
    const id = ++lastId;
    const responded = Promise.withResolvers<Result>();
    waiting.set(id, responded);
    client.stdin.write(`${JSON.stringify({ id, op, ...options })}\n`);
    const result = await responded.promise;
    if (result.error !== undefined) {
      const error = new ConnectError(result.error.message, result.error.code);
      error.details = result.error.details.map(({ typeUrl, value }) => ({
        type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
        value: new Uint8Array(Buffer.from(value, "base64")),
      }));
      throw error;
    }
    return result;
  }

  async function* receive<M extends DescMethod>(method: M, stream: number): AsyncGenerator<MessageShape<M["output"]>> {
    for (;;) {
      const { end, message = {} } = await run("receive", { stream, ...namesOf(method) });
      if (end === true) {
        return;
      }
      yield decode(method, message);
      if (method.methodKind === "client_streaming") {
        return;
      }
    }
  }

  const transport: Transport = {
    async unary(method, _signal, timeoutMs, header, input) {
      const { message = {} } = await run("call", {
        ...namesOf(method),
        message: encode(method, input),
        metadata: metadataOf(header),
        timeoutMs: timeoutMs ?? 0,
      });
      return { ...responseOf(method, decode(method, message)), stream: false };
    },
    async stream(method, _signal, _timeoutMs, _header, input) {
      const stream = ++lastId;
      const streamingServer = method.methodKind !== "client_streaming";
      if (method.methodKind === "server_streaming") {
        const { value } = await input[Symbol.asyncIterator]().next();
        await run("open", { stream, streamingServer, ...namesOf(method), message: encode(method, value) });
        return { ...responseOf(method, receive(method, stream)), stream: true };
      }
      await run("open", { stream, streamingServer, streamingClient: true, ...namesOf(method) });
      const sendAll = async () => {
        for await (const message of input) {
          await run("send", { stream, ...namesOf(method), message: encode(method, message) });
        }
        await run("closeSend", { stream });
      };
      // What goes wrong here goes wrong for the reader, too.
      sendAll().catch(() => undefined);
      return { ...responseOf(method, receive(method, stream)), stream: true };
    },
  };
  return {
    transport,
    process: client,
    async [Symbol.asyncDispose]() {
      client.kill("SIGKILL");
      if (client.exitCode === null && client.signalCode === null) {
        await exited;
      }
    },
  };
}

function namesOf({ parent, name, input, output }: DescMethod) {
  return { service: parent.typeName, method: name, input: input.typeName, output: output.typeName };
}

/** Headers join the values of a key; Go gets them one by one. */
function metadataOf(header: HeadersInit | undefined): Record<string, string[]> {
  return Object.fromEntries([...new Headers(header)].map(([key, value]) => [key, value.split(", ")]));
}

function responseOf<M extends DescMethod, T>(method: M, message: T) {
  return { service: method.parent, method, header: new Headers(), trailer: new Headers(), message };
}

function encode<M extends DescMethod>({ input }: M, message: MessageInitShape<M["input"]>): JsonValue {
  return toJson(input, create(input, message));
}

function decode<M extends DescMethod>({ output }: M, message: JsonValue): MessageShape<M["output"]> {
  // The contract says which message it is.
  return fromJson(output, message) as MessageShape<M["output"]>;
}
