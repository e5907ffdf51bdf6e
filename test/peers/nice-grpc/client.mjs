/** Calls the behaviour contract by nice-grpc: `node client.mjs unix:///path` or `node client.mjs host:port`. */
import { ClientError, createChannel, createClient, Metadata } from "nice-grpc";
import { Behaviour } from "./contract.mjs";

const channel = createChannel(process.argv[2]);
const client = createClient(Behaviour, channel);

/** Prints whether something holds, for the test that runs the program: one JSON object a line. */
const check = (name, ok, detail = "") =>
  console.log(JSON.stringify({ name, ok, detail: String(detail).slice(0, 300) }));
const failureOf = (promise) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

const data = new Uint8Array(500_000).fill(7);
const echoed = await client.echo({ text: "grüße", data });
check("a unary call carries 500 kB", echoed.text === "grüße" && Buffer.compare(echoed.data, data) === 0);

for (let code = 1; code <= 16; code++) {
  const error = await failureOf(client.fail({ code, message: "grüße" }));
  const ok = error instanceof ClientError && error.code === code && error.details === "grüße";
  check(`error code ${code} arrives`, ok, error);
}

let header;
const seen = await client.inspect(
  {},
  {
    metadata: Metadata({ "x-behaviour": ["one", "two"] }),
    onHeader: (metadata) => (header = metadata.get("x-response")),
  },
);
check("metadata arrives, and headers come back", seen.header === "one, two" && header === "header", seen.header);

const aborted = await failureOf(client.hang({ id: "nice-grpc" }, { signal: AbortSignal.timeout(200) }));
check("a call is aborted", aborted?.name === "TimeoutError", aborted);

const produced = await Array.fromAsync(client.produce({ count: 300, size: 5000 }));
check(
  "a server stream arrives whole",
  produced.length === 300 && produced.every((each, place) => each.index === place),
);
let before = 0;
const failing = async () => {
  for await (const _ of client.produce({ count: 3, failCode: 9 })) {
    before += 1;
  }
};
const failed = await failureOf(failing());
check("a server stream fails after its messages", failed?.code === 9 && before === 3, failed);

async function* requests() {
  for (let sent = 0; sent < 100; sent++) {
    yield { data: new Uint8Array(1000) };
  }
}
const sum = await client.collect(requests());
check("a client stream arrives whole", sum.messages === 100 && sum.bytes === 100_000n);
async function* texts() {
  yield { text: "one" };
  yield { text: "two" };
}
const answers = await Array.fromAsync(client.converse(texts()));
check("both sides converse", answers.map(({ text }) => text).join() === "one,two");

const tooLarge = await failureOf(client.echo({ data: new Uint8Array(5 * 1024 * 1024) }));
check("a message over the limit is refused", tooLarge?.code === 8, tooLarge);
const many = await Promise.all(Array.from({ length: 300 }, (_, number) => client.echo({ text: `${number}` })));
check(
  "three hundred calls run at once",
  many.every(({ text }, number) => text === `${number}`),
);
channel.close();
