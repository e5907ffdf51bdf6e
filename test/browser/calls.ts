import { ConnectError } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { connect } from "plugboard";
import { BehaviourService, EchoRequestSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** An error as a page can read it. */
export interface SeenError {
  readonly code: number;
  readonly message: string;
  readonly details: readonly string[];
  readonly retryAfter: string | null;
  readonly requestId: string | null;
}

function behaviour(connection: Connection) {
  return connection.client(BehaviourService);
}

type WebProtocol = "connect" | "grpc-web" | "ttrpc";

type Behaviour = ReturnType<typeof behaviour>;

/** Connects by one protocol, or by all that there are. */
async function using<T>(url: string, protocol: WebProtocol | undefined, run: (client: Behaviour) => Promise<T>) {
  await using connection = await connect(url, protocol && { require: { protocols: [protocol] } });
  return await run(behaviour(connection));
}

async function seen(failing: Promise<unknown>): Promise<SeenError> {
  const error = ConnectError.from(
    await failing.then(
      () => new Error("it did not fail"),
      (reason: unknown) => reason,
    ),
  );
  return {
    code: error.code,
    message: error.rawMessage,
    details: error.findDetails(EchoRequestSchema).map(({ text }) => text),
    retryAfter: error.metadata.get("Retry-After"),
    requestId: error.metadata.get("X-Request-Id"),
  };
}

async function untilFinished(client: Behaviour, id: string): Promise<{ aborted: boolean }> {
  for (;;) {
    const { finished, aborted } = await client.watch({ id });
    if (finished) {
      return { aborted };
    }
  }
}

/** Sends messages one by one, and waits with the fifth for the response to the first. */
function conversation(responded: Promise<void>, log: string[], id: string) {
  return (async function* () {
    for (let number = 1; number <= 5; number++) {
      if (number === 5) {
        await responded;
      }
      log.push(`sent ${number}`);
      yield { id, text: String(number) };
    }
  })();
}

/** The functions that a page has for calls of BehaviourService. */
export const calls = {
  echo: (url: string, protocol: WebProtocol, text: string) =>
    using(url, protocol, async (client) => (await client.echo({ text })).text),

  /** How many messages the handler had sent when the first was seen, and the messages that were seen in the end. */
  firstOfMany: (url: string, protocol: WebProtocol) =>
    using(url, protocol, async (client) => {
      const id = crypto.randomUUID();
      const messages: number[] = [];
      let sentAtFirst = 0;
      for await (const { index } of client.produce({ id, count: 5 })) {
        messages.push(index + 1);
        if (index === 0) {
          sentAtFirst = (await client.watch({ id })).messages;
        }
      }
      return { sentAtFirst, messages };
    }),

  /** What was sent and seen, in order, of a conversation that sends its fifth message when the first had its response. */
  converse: (url: string, protocol: WebProtocol | undefined) =>
    using(url, protocol, async (client) => {
      const log: string[] = [];
      const responded = Promise.withResolvers<void>();
      for await (const { text } of client.converse(conversation(responded.promise, log, crypto.randomUUID()))) {
        log.push(`saw ${text}`);
        responded.resolve();
      }
      return log;
    }),

  /** Aborts a call, and tells its code and whether the handler has learnt of it. */
  abortUnary: (url: string, protocol: WebProtocol) =>
    using(url, protocol, async (client) => {
      const id = crypto.randomUUID();
      const controller = new AbortController();
      const failing = seen(client.hang({ id }, { signal: controller.signal }));
      while (!(await client.watch({ id })).started) {
        // Asks again.
      }
      controller.abort();
      return { code: (await failing).code, ...(await untilFinished(client, id)) };
    }),
  abortStream: (url: string, protocol: WebProtocol) =>
    using(url, protocol, async (client) => {
      const id = crypto.randomUUID();
      const controller = new AbortController();
      const { code } = await seen(
        (async () => {
          for await (const _ of client.produce({ id, count: 1, size: 1 }, { signal: controller.signal })) {
            controller.abort();
          }
        })(),
      );
      return { code, ...(await untilFinished(client, id)) };
    }),
  abortConversation: (url: string, protocol: WebProtocol) =>
    using(url, protocol, async (client) => {
      const id = crypto.randomUUID();
      const controller = new AbortController();
      const requests = conversation(new Promise(() => {}), [], id);
      const { code } = await seen(
        (async () => {
          for await (const _ of client.converse(requests, { signal: controller.signal })) {
            controller.abort();
          }
        })(),
      );
      return { code, ...(await untilFinished(client, id)) };
    }),

  /** Begins a stream, and leaves it open when it has seen the first message. */
  async begin(url: string, protocol: WebProtocol, id: string): Promise<void> {
    const connection = await connect(url, { require: { protocols: [protocol] } });
    const messages = behaviour(connection).produce({ id, count: 1, size: 1 });
    await messages[Symbol.asyncIterator]().next();
  },
  /** What becomes of it. */
  ending: (url: string, id: string) => using(url, "connect", (client) => untilFinished(client, id)),

  /** The error of a call whose request is longer than a body may be. */
  tooLong: (url: string, protocol: WebProtocol) =>
    using(url, protocol, (client) => seen(client.echo({ data: new Uint8Array(2 * 1024 * 1024) }))),

  /** The errors of a unary call, and of a stream after its first message. The page names the request if it is to. */
  errors: (url: string, protocol: WebProtocol, requestId: string | undefined) =>
    using(url, protocol, async (client) => {
      const options = requestId === undefined ? {} : { headers: { "X-Request-Id": requestId } };
      return {
        unary: await seen(client.fail({ code: 8, message: "grüße" }, options)),
        stream: await seen(Array.fromAsync(client.produce({ count: 1, failCode: 8 }, options))),
      };
    }),

  /** The request id in the headers of a response. */
  requestIdOf: (url: string, protocol: WebProtocol) =>
    using(url, protocol, async (client) => {
      const { promise, resolve } = Promise.withResolvers<string | null>();
      await client.echo({}, { onHeader: (header) => resolve(header.get("X-Request-Id")) });
      return await promise;
    }),

  /** Asks the same twice, and tells the responses and how often the handler has run. */
  askTwice: (url: string, text: string, headers: readonly [Record<string, string>, Record<string, string>]) =>
    using(url, "connect", async (client) => {
      const responses: string[] = [];
      for (const each of headers) {
        responses.push((await client.echo({ text }, { headers: each })).text);
      }
      return { responses, asked: (await client.watch({ id: text })).messages };
    }),

  /** Names of the headers that the client itself gives to fetch, for calls of all kinds. */
  async headersSent(url: string): Promise<readonly string[]> {
    const names = new Set<string>();
    const fetch: typeof globalThis.fetch = (input, init) => {
      for (const [name] of new Headers(init?.headers)) {
        names.add(name);
      }
      return globalThis.fetch(input, init);
    };
    for (const protocol of ["connect", "grpc-web"] as const) {
      await using connection = await connect(url, { fetch, require: { protocols: [protocol] } });
      const client = behaviour(connection);
      await client.echo({});
      await client.watch({ id: crypto.randomUUID() }, { timeoutMs: 10_000 });
      await Array.fromAsync(client.produce({ count: 1 }));
    }
    return [...names].sort();
  },
};
