import fc from "fast-check";
import { connect } from "plugboard/node";
import { listenLocally } from "../../support/local-listener.ts";
import { connectTtrpc } from "../../support/ttrpc/local-ttrpc.ts";
import { fuzz, settle } from "./fuzz.ts";
import { cuts } from "./generators.ts";
import { ttrpcFrames } from "./ttrpc-frames.ts";
import { attack, callAll, clientOver, createVictim, expectEcho, listenRaw, pour } from "./victim.ts";

const wire = fc.record({
  bytes: fc.array(ttrpcFrames, { maxLength: 12 }).map((all) => Buffer.concat(all)),
  places: cuts,
});

fuzz("ttrpc: a server outlives any frames", async () => {
  const { plugin, idle } = createVictim();
  const listener = await listenLocally(plugin, "unix");
  const connection = await connect(listener.address, { require: { protocols: ["ttrpc"] } });
  return {
    input: wire,
    share: 8,
    attempt: ({ bytes, places }) => attack({ path: listener.address.slice("unix:".length) }, bytes, places),
    probe: () => expectEcho(connection),
    async [Symbol.asyncDispose]() {
      await idle();
      await connection.close();
      await listener[Symbol.asyncDispose]();
    },
  };
});

fuzz("ttrpc: each call of a client ends, whatever frames a server sends", async () => {
  let sent: { readonly bytes: Uint8Array; readonly places: readonly number[] } = { bytes: Buffer.alloc(0), places: [] };
  const server = await listenRaw((socket) => {
    socket.once("data", async () => {
      await pour(socket, sent.bytes, sent.places);
      socket.end();
    });
    socket.once("end", () => socket.end());
  });
  return {
    input: fc.record({ response: wire, kind: fc.constantFrom("plain", "extended", "chunked", "connect") }),
    share: 8,
    async attempt({ response, kind }) {
      sent = response;
      if (kind === "connect") {
        await settle(
          connect(`unix:${server.path}`, { require: { protocols: ["ttrpc"] }, dialTimeoutMs: 5_000 }).then((each) =>
            each.close(),
          ),
        );
        return;
      }
      using client = connectTtrpc(server.path);
      const transport =
        kind === "plain" ? client.plain : client.knowing({ extended: true, chunked: kind === "chunked" });
      await callAll(clientOver(transport));
    },
    [Symbol.asyncDispose]: server[Symbol.asyncDispose],
  };
});
