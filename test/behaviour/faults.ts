import type { Client } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Connection, MethodKind } from "plugboard";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import type { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { longErrors, unfitErrors, unfitMessages } from "./misbehaviour.ts";

/** Something that goes wrong with a call, and what its caller is told, over every route. docs/reference/faults.md is made of these. */
export interface Fault {
  /** The fault, as part of a sentence. */
  readonly fault: string;
  readonly code: Code;
  /** It is one of the others in another kind of method, and so not told by itself in docs/reference/faults.md. */
  readonly again?: true;
  /** The error's message, if it is always the same. */
  readonly message?: string;
  /** The kind of method that it needs. Default: unary, or whatever the route carries. */
  readonly kind?: MethodKind;
  /** Makes a call to which it happens, and reads all of the response. */
  provoke(client: Client<typeof BehaviourService>, connection: Connection): Promise<unknown>;
}

/** Faults of one side, and what those who call should do about them. */
export interface FaultGroup {
  readonly title: string;
  readonly advice: string;
  readonly faults: readonly Fault[];
}

const internal = { code: Code.Internal, message: "internal error" } as const;

const handlers: FaultGroup = {
  title: "The handler",
  advice:
    "In a unary method, or at any message of a stream. Trying again does not help: tell the plugin's author, with the request id that the error's metadata has " +
    "(`x-request-id`). The plugin's log has a line under that id which says what was wrong.",
  faults: [
    ...Object.keys({ ...unfitErrors, ...unfitMessages }).map(
      (how): Fault => ({ fault: how, ...internal, provoke: (client) => client.misbehave({ how }) }),
    ),
    ...Object.keys({ ...unfitErrors, ...unfitMessages }).map(
      (how): Fault => ({
        fault: `${how}, after a first message`,
        ...internal,
        again: true,
        kind: "server_streaming",
        provoke: (client) => Array.fromAsync(client.misbehaveStreaming({ how })),
      }),
    ),
  ],
};

const long: FaultGroup = {
  title: "An error that is too long",
  advice:
    "It keeps its code. Of its message, its details and its metadata, 8 KiB each arrive over every route: the message is cut, and details and metadata " +
    "that don't fit are left out. The plugin's log says so. For more, define a response message that says what went wrong.",
  faults: Object.keys(longErrors).map(
    (how): Fault => ({
      fault: how,
      code: Code.NotFound,
      // Those that fit, or are just too long, are the same to readers.
      ...(!how.includes("5 MiB") && { again: true }),
      provoke: (client) => client.misbehave({ how }),
    }),
  ),
};

/** What TypeScript would not let a caller send. */
const unfit = (fields: object) => fields as Record<string, never>;

async function* one<T>(message: T): AsyncGenerator<T> {
  yield message;
}

const namesOfConnections = ["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "content-length"];

const callers: FaultGroup = {
  title: "The caller's own program",
  advice: "Correct the call. It fails before the message at fault is sent, and would fail again.",
  faults: [
    {
      fault: "a number where a text belongs",
      code: Code.Internal,
      provoke: (client) => client.echo(unfit({ text: 5 })),
    },
    {
      fault: "a number where bytes belong",
      code: Code.Internal,
      provoke: (client) => client.echo(unfit({ data: 5 })),
    },
    {
      fault: "a fraction where a whole number belongs",
      code: Code.Internal,
      provoke: (client) => client.fail({ code: 0.5 }),
    },
    {
      fault: "a request of a stream of responses that is not of its type",
      code: Code.Internal,
      kind: "server_streaming",
      provoke: (client) => Array.fromAsync(client.produce(unfit({ id: 5 }))),
    },
    {
      fault: "a message of a stream of requests that is not of its type",
      code: Code.Internal,
      kind: "client_streaming",
      provoke: (client) => client.collect(one(unfit({ id: 5 }))),
    },
    {
      fault: "a stream of requests that throws",
      code: Code.Internal,
      kind: "client_streaming",
      provoke: (client) =>
        client.collect({
          [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("the caller's own trouble")) }),
        }),
    },
    {
      fault: "metadata whose name is none",
      code: Code.InvalidArgument,
      provoke: (client) => client.inspect({}, { headers: [["no name", "x"]] }),
    },
    {
      fault: "metadata whose value has a line break",
      code: Code.InvalidArgument,
      provoke: (client) => client.inspect({}, { headers: [["x-behaviour", "one\ntwo"]] }),
    },
    {
      fault: "metadata whose value has a control character",
      code: Code.InvalidArgument,
      provoke: (client) => client.inspect({}, { headers: [["x-behaviour", "\u001b[2J"]] }),
    },
    {
      fault: "metadata whose value has a character beyond ASCII",
      code: Code.InvalidArgument,
      provoke: (client) => client.inspect({}, { headers: [["x-behaviour", "gr\u00fc\u00dfe"]] }),
    },
    {
      fault: "metadata whose value has a character beyond Latin-1",
      code: Code.InvalidArgument,
      provoke: (client) => client.inspect({}, { headers: [["x-behaviour", "世界"]] }),
    },
    {
      fault: "metadata whose value has half a character",
      code: Code.InvalidArgument,
      provoke: (client) => client.inspect({}, { headers: [["x-behaviour", "\ud83d"]] }),
    },
    ...namesOfConnections.map(
      (name): Fault => ({
        fault: `metadata with the name \`${name}\`, which belongs to the connection`,
        code: Code.InvalidArgument,
        provoke: (client) => client.inspect({}, { headers: [[name, "1"]] }),
      }),
    ),
    {
      fault: "metadata that does not fit, for a stream of responses",
      code: Code.InvalidArgument,
      kind: "server_streaming",
      provoke: (client) => Array.fromAsync(client.produce({ count: 1 }, { headers: [["x-behaviour", "世界"]] })),
    },
    {
      fault: "a deadline that is not a number",
      code: Code.InvalidArgument,
      provoke: (client) => client.inspect({}, { timeoutMs: Number.NaN }),
    },
  ],
};

const calls: FaultGroup = {
  title: "The call",
  advice:
    "`canceled` and `deadline_exceeded`: what the caller has asked for; whether the handler has done its work is not known. " +
    "`unimplemented`: connect to another version of the plugin, or by a route that carries the method.",
  faults: [
    {
      fault: "its signal is aborted",
      code: Code.Canceled,
      provoke: (client) => client.hang({}, { signal: AbortSignal.timeout(200), timeoutMs: 10_000 }),
    },
    {
      fault: "its signal was aborted before it began",
      code: Code.Canceled,
      provoke: (client) => client.hang({}, { signal: AbortSignal.abort() }),
    },
    {
      fault: "its deadline passes",
      code: Code.DeadlineExceeded,
      provoke: (client) => client.hang({}, { timeoutMs: 200 }),
    },
    {
      fault: "its deadline passes between two messages",
      code: Code.DeadlineExceeded,
      kind: "server_streaming",
      provoke: (client) => Array.fromAsync(client.produce({ count: 0, size: 10 }, { timeoutMs: 200 })),
    },
    {
      fault: "the plugin does not have the service",
      code: Code.Unimplemented,
      provoke: (_client, connection) => connection.client(MarkdownService).render({ markdown: "# hi" }),
    },
  ],
};

/** All of them. */
export const faultGroups: readonly FaultGroup[] = [handlers, long, callers, calls];
