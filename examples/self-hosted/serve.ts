// Serves the app from Node: `node --conditions=plugboard-source examples/self-hosted/serve.ts`. PORT says where, 0 that any port will do.
import { once } from "node:events";
import { createAdaptorServer } from "@hono/node-server";
import app from "./app.ts";

const server = createAdaptorServer({ fetch: (request) => app.fetch(request) });
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
await once(server, "listening");
const address = server.address();
console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : address}/plugins/markdown`);

for (const signal of ["SIGINT", "SIGTERM"]) {
  // Calls in flight end first.
  process.once(signal, () => server.close());
}
