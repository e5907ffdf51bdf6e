/** Serves the behaviour contract by nice-grpc: `node server.mjs unix:/path`. */
import { createServer, ServerError } from "nice-grpc";
import { Behaviour } from "./contract.mjs";

const server = createServer();
server.add(Behaviour, {
  echo: async ({ text, data }) => ({ text, data }),
  inspect: async (_, { metadata }) => ({ header: metadata.getAll("x-behaviour").join(", ") }),
  fail: async ({ code, message }) => {
    throw new ServerError(code, message);
  },
  hang: (_, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    }),
  async *produce({ count, size, failCode }) {
    for (let index = 0; index < count; index++) {
      yield { index, data: new Uint8Array(size) };
    }
    if (failCode !== 0) {
      throw new ServerError(failCode, "as asked");
    }
  },
  async collect(requests) {
    let messages = 0;
    let bytes = 0n;
    for await (const { data } of requests) {
      messages += 1;
      bytes += BigInt(data.byteLength);
    }
    return { messages, bytes };
  },
  async *converse(requests) {
    let index = 0;
    for await (const { text } of requests) {
      yield { text, index };
      index += 1;
    }
  },
});
await server.listen(process.argv[2]);
console.log("ready");
