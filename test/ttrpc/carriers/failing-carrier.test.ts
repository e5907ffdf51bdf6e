import { Code } from "@connectrpc/connect";
import type { CarrierConnection } from "plugboard";
import { connect, definePlugin, serveOn } from "plugboard";
import { expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { carrierPair } from "../../support/ttrpc/carrier-pair.ts";

// An uncaught exception, such as one that a carrier throws and no one catches, fails the run.

/** A connection with a call in flight, whose ends may be spoilt from then on. */
async function open() {
  const { promise: hangs, resolve: hanging } = Promise.withResolvers<void>();
  const { promise: aborted, resolve: onAborted } = Promise.withResolvers<void>();
  const plugin = definePlugin({
    name: "carried",
    version: "1.0.0",
    routes(router) {
      router.service(BehaviourService, {
        echo: ({ text }) => ({ text }),
        async hang(_request, { signal }) {
          hanging();
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          onAborted();
          return {};
        },
      });
    },
  });
  const served: Awaited<ReturnType<typeof serveOn>>[] = [];
  const ends: (readonly [CarrierConnection, CarrierConnection])[] = [];
  const connection = await connect({
    name: "the pair",
    async open() {
      const pair = carrierPair(setImmediate);
      ends.push(pair);
      served.push(await serveOn(plugin, pair[1]));
      return pair[0];
    },
  });
  const client = connection.client(BehaviourService);
  const inFlight = client.hang({}).catch((error: unknown) => error);
  await hangs;
  const [first] = ends;
  if (first === undefined) {
    throw new Error("no connection was opened");
  }
  return { connection, client, inFlight, aborted, ends: first, served };
}

const broken = (what: string) => () => {
  throw new Error(`${what} is broken`);
};

const lost = (what: string) => ({
  code: Code.Unavailable,
  errorCode: "PB-CONNECTION-LOST",
  message: expect.stringContaining(what),
});

test("a caller's carrier that throws in send ends its calls, and is opened anew", async () => {
  const { connection, client, inFlight, aborted, ends, served } = await open();
  ends[0].send = broken("send");
  await expect(client.echo({ text: "one" })).rejects.toMatchObject(lost("send is broken"));
  expect(await inFlight).toMatchObject(lost("send is broken"));
  await aborted;
  await served[0]?.closed;
  expect(await client.echo({ text: "two" })).toMatchObject({ text: "two" });
  await connection.close();
});

test("a plugin's carrier that throws in send ends its calls, and those of the caller", async () => {
  const { connection, client, inFlight, aborted, ends, served } = await open();
  ends[1].send = broken("send");
  await expect(client.echo({})).rejects.toMatchObject(lost("the other side has closed it"));
  expect(await inFlight).toMatchObject(lost("the other side has closed it"));
  await aborted;
  await served[0]?.closed;
  await connection.close();
});

test("a plugin's carrier that throws in pause ends its calls, and those of the caller", async () => {
  const { connection, client, inFlight, aborted, ends, served } = await open();
  const { send } = ends[1];
  ends[1].send = (bytes) => {
    send(bytes);
    // A caller that does not take responses gets no more work done.
    return false;
  };
  ends[1].pause = broken("pause");
  const calls = Array.from({ length: 20 }, () => client.echo({}).catch((error: unknown) => error));
  await Promise.all(calls);
  await client.echo({}).catch(() => undefined);
  expect(await inFlight).toMatchObject(lost("the other side has closed it"));
  await aborted;
  await served[0]?.closed;
  await connection.close();
});

test("a carrier that throws in close is done with all the same", async () => {
  const { connection, inFlight, aborted, ends, served } = await open();
  ends[1].close = broken("close");
  const closed = served[0]?.close();
  await connection.close();
  expect(await inFlight).toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
  await aborted;
  await closed;
});

test("a caller's carrier that throws in close keeps no connection from closing", async () => {
  const { connection, client, inFlight, ends, served } = await open();
  const { close } = ends[0];
  ends[0].close = (error) => {
    close(error);
    broken("close")();
  };
  await connection.close();
  expect(await inFlight).toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
  await expect(client.echo({})).rejects.toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
  await served[0]?.closed;
});

test("a connection that has ended before it was used fails its calls, and is not opened again for them", async () => {
  let opened = 0;
  const open = async (): Promise<CarrierConnection> => {
    opened += 1;
    return { ...carrierPair(setImmediate)[0], start: (receiver) => receiver.ended(new Error("it was over")) };
  };
  await expect(connect({ name: "the dead end", open })).rejects.toThrow("it was over");
  expect(opened).toBeLessThan(10);
});
