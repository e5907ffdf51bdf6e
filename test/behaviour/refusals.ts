import { create, toBinary } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Connection, ConnectOptions, ErrorCode, MethodKind } from "plugboard";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { AccessService } from "../gen/plugboard/test/v1/access_pb.ts";
import type { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { EchoRequestSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { limits } from "./refusing/options.ts";

/** A call that the plugin, or the caller's own side, lets not happen, or ends, and what its caller is told. */
export interface Refusal {
  /** The refused call, as part of a sentence. */
  readonly fault: string;
  readonly code: Code;
  /** It is one of the others in another kind of method, and so not told by itself in docs/reference/faults.md. */
  readonly again?: true;
  /** That of the PlugboardError. Default: it is none, as the plugin's own word is told. */
  readonly errorCode?: ErrorCode;
  /** The kind of method that it needs. Default: unary. */
  readonly kind?: MethodKind;
  /** It can happen on some routes alone. */
  readonly only?: "http" | "addressed" | "named";
  /** Under which name the plugin is called, without a token. */
  readonly host?: string;
  /** Of which plugin, see `refusingOptions`. */
  readonly mood: "patient" | "brief";
  /** Options of its caller's connection. Default: with a token that is known. */
  readonly connect?: ConnectOptions;
  /** True if the error says when to call again. */
  readonly retryAfter?: true;
  /** It happens by and by, and may beside others. */
  readonly takesTime?: true;
  /** The caller's side has refused it: then there is no request that could have an id. */
  readonly unsent?: true;
  provoke(client: Client<typeof BehaviourService>, headers: Headers, connection: Connection): Promise<unknown>;
}

/** Adds to the headers of a call. */
function adding(headers: Headers, name: string, value: string): { readonly headers: Headers } {
  headers.set(name, value);
  return { headers };
}

const unauthorized = (headers: Headers) => adding(headers, "Authorization", "Basic c3dvcmRmaXNo");
const wrongToken = (headers: Headers) => adding(headers, "Authorization", "Bearer wrong-0123456789abcdef");

/** A message of a request that has so many bytes. */
function echoOf(bytes: number) {
  const overhead = toBinary(EchoRequestSchema, create(EchoRequestSchema, { data: new Uint8Array(bytes) })).byteLength;
  return { data: new Uint8Array(2 * bytes - overhead) };
}

async function* one<T>(message: T): AsyncGenerator<T> {
  yield message;
}

/** Sends one message and then nothing, until the call has ended. */
function silent<T>(message: T): AsyncIterable<T> {
  const { promise, resolve } = Promise.withResolvers<IteratorResult<T>>();
  const end = async () => {
    resolve({ done: true, value: undefined });
    return { done: true as const, value: undefined };
  };
  let given = false;
  const next = async () => {
    if (given) {
      return promise;
    }
    given = true;
    return { done: false as const, value: message };
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: end, throw: end }) };
}

/** Leads to this machine, and is no name of its loopback interface. */
const otherHost = "0.0.0.0";

const gates: readonly Refusal[] = [
  {
    fault: "a request over HTTP for a host that the plugin is not served for",
    code: Code.PermissionDenied,
    only: "named",
    host: otherHost,
    mood: "patient",
    provoke: (client, headers) => client.echo({}, { headers }),
  },
  {
    fault: "a stream over HTTP for such a host",
    code: Code.PermissionDenied,
    again: true,
    kind: "server_streaming",
    only: "named",
    host: otherHost,
    mood: "patient",
    provoke: (client, headers) => Array.fromAsync(client.produce({ count: 1 }, { headers })),
  },
  {
    fault: "no token, where one is needed",
    code: Code.Unauthenticated,
    mood: "patient",
    provoke: (client, headers) => client.echo({}, unauthorized(headers)),
  },
  {
    fault: "no token, for a stream",
    code: Code.Unauthenticated,
    again: true,
    kind: "server_streaming",
    mood: "patient",
    provoke: (client, headers) => Array.fromAsync(client.produce({ count: 1 }, unauthorized(headers))),
  },
  {
    fault: "a token that is not valid",
    code: Code.Unauthenticated,
    mood: "patient",
    provoke: (client, headers) => client.echo({}, wrongToken(headers)),
  },
  {
    fault: "a token that is not valid, for a stream of requests",
    code: Code.Unauthenticated,
    again: true,
    kind: "client_streaming",
    mood: "patient",
    provoke: (client, headers) => client.collect(silent({}), wrongToken(headers)),
  },
  {
    fault: "a caller that is known, and lacks a scope",
    code: Code.PermissionDenied,
    mood: "patient",
    provoke: (_client, headers, connection) => connection.client(AccessService).write({}, { headers }),
  },
  {
    fault: "a caller that lacks a scope, for a stream in both directions",
    code: Code.PermissionDenied,
    again: true,
    kind: "bidi_streaming",
    mood: "patient",
    provoke: (_client, headers, connection) =>
      Array.fromAsync(connection.client(AccessService).purge(silent({}), { headers })),
  },
  {
    fault: "the function `auth` refuses the caller in words of its own: its code, such as",
    code: Code.PermissionDenied,
    mood: "patient",
    provoke: (client, headers) => client.echo({}, adding(headers, "x-auth", "refuses")),
  },
  {
    fault: "the function `auth` fails",
    code: Code.Internal,
    mood: "patient",
    provoke: (client, headers) => client.echo({}, adding(headers, "x-auth", "fails")),
  },
  {
    fault: "calls beyond the rate limit; `Retry-After` in the metadata says in how many seconds to call again",
    code: Code.ResourceExhausted,
    mood: "patient",
    retryAfter: true,
    async provoke(client, headers) {
      const options = adding(headers, "x-bucket", crypto.randomUUID());
      await client.echo({}, options);
      return client.echo({}, options);
    },
  },
  {
    fault: "streams beyond the rate limit",
    code: Code.ResourceExhausted,
    again: true,
    kind: "client_streaming",
    mood: "patient",
    retryAfter: true,
    async provoke(client, headers) {
      const options = adding(headers, "x-bucket", crypto.randomUUID());
      await client.collect(one({}), options);
      return client.collect(silent({}), options);
    },
  },
  {
    fault: "calls of an address of which `auth` has refused too many; `Retry-After` as above",
    code: Code.ResourceExhausted,
    only: "addressed",
    mood: "brief",
    retryAfter: true,
    async provoke(client, headers) {
      const options = wrongToken(headers);
      for (let failures = 0; failures < 4; failures++) {
        await client.echo({}, options).catch(() => undefined);
      }
      return client.echo({}, options);
    },
  },
];

const missing: readonly Refusal[] = [
  {
    fault: "a method that the plugin does not have",
    code: Code.Unimplemented,
    again: true,
    mood: "patient",
    provoke: (_client, headers, connection) => connection.client(MarkdownService).render({}, { headers }),
  },
];

const sizes: readonly Refusal[] = [
  {
    fault: "a message that is longer than the plugin takes",
    code: Code.ResourceExhausted,
    errorCode: "PB-MESSAGE-TOO-LARGE",
    mood: "patient",
    unsent: true,
    provoke: (client, headers) => client.echo(echoOf(limits.maxMessageBytes + 1), { headers }),
  },
  {
    fault: "a request that is longer than a body over HTTP may be (`maxBodyBytes`), and not longer than a message",
    code: Code.ResourceExhausted,
    only: "http",
    mood: "patient",
    provoke: (client, headers) => client.echo({ data: new Uint8Array(limits.maxBodyBytes + 1) }, { headers }),
  },
  {
    fault: "a message of a stream of requests that is longer",
    code: Code.ResourceExhausted,
    kind: "client_streaming",
    mood: "patient",
    provoke: (client, headers) => client.collect(one({ data: new Uint8Array(limits.maxMessageBytes) }), { headers }),
  },
  {
    fault: "a response that is longer than the caller takes",
    code: Code.ResourceExhausted,
    mood: "patient",
    connect: { maxMessageBytes: 10_000 },
    unsent: true,
    provoke: (client, headers) => client.echo({ data: new Uint8Array(20_000) }, { headers }),
  },
  {
    fault: "a message of a stream of responses that is longer than the caller takes",
    code: Code.ResourceExhausted,
    again: true,
    kind: "server_streaming",
    mood: "patient",
    connect: { maxMessageBytes: 10_000 },
    unsent: true,
    provoke: (client, headers) => Array.fromAsync(client.produce({ count: 1, size: 20_000 }, { headers })),
  },
  {
    fault: "metadata that is longer than the plugin takes",
    code: Code.ResourceExhausted,
    mood: "patient",
    provoke: (client, headers) => client.echo({}, adding(headers, "x-long", "x".repeat(limits.maxHeaderBytes))),
  },
  {
    fault: "metadata that is longer, yet not more than HTTP carries",
    code: Code.ResourceExhausted,
    again: true,
    mood: "patient",
    provoke: (client, headers) => client.echo({}, adding(headers, "x-long", "~".repeat(59 * 1024))),
  },
  {
    fault: "metadata that is far longer than that",
    code: Code.ResourceExhausted,
    again: true,
    mood: "patient",
    unsent: true,
    provoke: (client, headers) => client.echo({}, adding(headers, "x-long", "x".repeat(200 * 1024))),
  },
];

const times: readonly Refusal[] = [
  {
    fault: "a call that takes longer than the plugin allows",
    code: Code.DeadlineExceeded,
    mood: "brief",
    takesTime: true,
    provoke: (client, headers) => client.hang({}, { headers }),
  },
  {
    fault: "a stream of responses that takes longer than the plugin allows",
    code: Code.DeadlineExceeded,
    again: true,
    kind: "server_streaming",
    mood: "brief",
    takesTime: true,
    provoke: (client, headers) => Array.fromAsync(client.produce({ count: 0, size: 10 }, { headers })),
  },
  {
    fault: "a stream on which nothing moves for longer than the plugin allows",
    code: Code.DeadlineExceeded,
    kind: "client_streaming",
    mood: "brief",
    takesTime: true,
    provoke: (client, headers) => client.collect(silent({}), { headers }),
  },
  {
    fault: "a stream in both directions on which nothing moves",
    code: Code.DeadlineExceeded,
    again: true,
    kind: "bidi_streaming",
    mood: "brief",
    takesTime: true,
    provoke: (client, headers) => Array.fromAsync(client.converse(silent({ text: "hi" }), { headers })),
  },
];

/** Refusals by gates and limits, and what those who call should do about them. The last are those after which an address is refused. */
export const refusals = {
  title: "A gate or a limit",
  advice:
    "`unauthenticated`, `permission_denied`: call with a token, or with one of a caller who may. `resource_exhausted` with `Retry-After` in its metadata, " +
    "in seconds: call again then; without: send less at once, or have the plugin's `limits` raised. `deadline_exceeded`: ask for less, or have `limits` " +
    "raised. What is refused has not run, but for responses that are too long. Calls beyond what a connection may have at once wait for their turn, within their deadlines; " +
    "clients that others wrote are told `resource_exhausted` over ttrpc and HTTP/1.1. In process there are no gates and no limits. " +
    "The error's metadata has the request's id (`x-request-id`), unless the caller's side has refused it.",
  faults: [...times, ...sizes, ...missing, ...gates],
} as const;
