import type * as net from "node:net";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Place } from "../../support/local-server.ts";
import { startRawServer, startRpcServer } from "../../support/local-server.ts";

const require: Requirements = { protocols: ["connect"], httpVersion: "1.1" };

const unimplemented = '{"code":"unimplemented"}';
const replies = {
  Describe: `HTTP/1.1 501 Not Implemented\r\ncontent-type: application/json\r\ncontent-length: ${unimplemented.length}\r\n\r\n${unimplemented}`,
  unary: "HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: 0\r\n\r\n",
  // Nothing but the end of the stream.
  streaming: "HTTP/1.1 200 OK\r\ncontent-type: application/connect+proto\r\ncontent-length: 7\r\n\r\n\x02\0\0\0\x02{}",
};

const nothingDone = '{"code":"unavailable","message":"nothing was done"}';
const refusal =
  "HTTP/1.1 408 Request Timeout\r\nplugboard-refused: draining\r\ncontent-type: application/json\r\n" +
  `connection: close\r\ncontent-length: ${nothingDone.length}\r\n\r\n${nothingDone}`;

/** Responds to the head of each request. With the next one on the same connection, `next` decides. */
async function startServer(place: Place, next: (socket: net.Socket, reply: string) => void) {
  const calls: string[] = [];
  const server = await startRawServer(place, (socket) => {
    let before = 0;
    let head = "";
    socket.on("data", (bytes) => {
      head += bytes.toString("latin1");
      for (const [, name = ""] of head.matchAll(/(?:GET|POST) \S+\/(\w+)(?:\?\S*)? HTTP\/1\.1\r\n.*?\r\n\r\n/gs)) {
        head = "";
        calls.push(name);
        const kind = name === "Describe" ? name : name === "Produce" ? "streaming" : "unary";
        before += 1;
        if (before === 1) {
          socket.write(replies[kind]);
        } else {
          next(socket, replies[kind]);
        }
      }
    });
  });
  return { ...server, calls };
}

/** The only response of a stream, and its end. */
const collected =
  "HTTP/1.1 200 OK\r\ncontent-type: application/connect+proto\r\ncontent-length: 12\r\n\r\n\0\0\0\0\0\x02\0\0\0\x02{}";

async function* neverEnding() {
  yield {};
  await new Promise(() => {});
}

async function* once() {
  yield { count: 1 };
}

describe.each(["unix", "tcp", "http"] as const)("at %s", (place) => {
  test("a response is read though its server has closed the connection before the end of the request", async () => {
    const closed = Promise.withResolvers<void>();
    await using server = await startRawServer(place, (socket) => {
      socket.once("data", (head) => {
        if (head.toString("latin1").includes("/Describe")) {
          socket.write(replies.Describe);
        } else {
          socket.write(collected, () => {
            socket.destroy();
            closed.resolve();
          });
        }
      });
    });
    await using connection = await connect(server.address, { require });
    async function* requests() {
      yield {};
      // It is written before there is time to read what has come.
      await closed.promise;
      yield { data: new Uint8Array(1_000_000) };
      yield {};
    }
    const response = await connection.client(BehaviourService).collect(requests());
    expect(response.messages).toBe(0);
  });

  test("a connection whose response came before the end of its request is not used again: its server may be ending it", async () => {
    const connections = new Set<net.Socket>();
    await using server = await startRawServer(place, (socket) => {
      connections.add(socket);
      socket.once("data", (head) => {
        const streams = head.toString("latin1").includes("/Collect ");
        socket.write(
          head.toString("latin1").includes("/Describe") ? replies.Describe : streams ? collected : replies.unary,
        );
      });
    });
    await using connection = await connect(server.address, { require });
    const client = connection.client(BehaviourService);
    const before = connections.size;
    await client.collect(neverEnding());
    await client.echo({ text: "next" });
    expect(connections.size - before).toBe(2);
  });

  test("a call that may be made twice is, on a fresh connection, if the server has ended an idle one", async () => {
    await using server = await startServer(place, (socket) => socket.destroy());
    await using connection = await connect(server.address, { require });
    const client = connection.client(BehaviourService);
    await client.echo({ text: "one" });
    await client.echo({ text: "two" });
    await client.echo({ text: "three" });
    expect(server.calls).toEqual(["Describe", "Echo", "Echo", "Echo", "Echo", "Echo"]);
  });

  test("so is one whose response is a stream", async () => {
    await using server = await startServer(place, (socket) => socket.destroy());
    await using connection = await connect(server.address, { require });
    const method = {
      ...BehaviourService.method.produce,
      idempotency: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    } as const;
    for (let call = 0; call < 3; call++) {
      const response = await connection.transport.stream(method, undefined, undefined, undefined, once());
      expect(await Array.fromAsync(response.message)).toEqual([]);
    }
    expect(server.calls).toEqual(["Describe", "Produce", "Produce", "Produce", "Produce", "Produce"]);
  });

  test("any is, if the server says that it was about to end the connection and has done nothing", async () => {
    await using server = await startServer(place, (socket) => socket.end(refusal));
    await using connection = await connect(server.address, { require });
    const client = connection.client(BehaviourService);
    await client.fail({});
    await client.fail({});
    expect(await Array.fromAsync(client.produce({ count: 1 }))).toEqual([]);
    expect(await Array.fromAsync(client.produce({ count: 1 }))).toEqual([]);
    expect(server.calls).toEqual(["Describe", "Fail", "Fail", "Fail", "Produce", "Produce", "Produce", "Produce"]);
  });

  test("any other is not, and its error says why", async () => {
    await using server = await startServer(place, (socket) => socket.destroy());
    await using connection = await connect(server.address, { require });
    const client = connection.client(BehaviourService);
    await client.fail({});
    const error: unknown = await client.fail({}).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: Code.Unavailable, errorCode: "PB-CONNECTION-LOST" });
    expect(String(error)).toContain("has ended the connection without saying so");
    // On a fresh connection.
    await client.fail({});
    expect(server.calls).toEqual(["Describe", "Fail", "Fail", "Fail"]);
  });

  test("a connection that ends with its call, by the caller or the server, is no reason to use no other again", async () => {
    const sockets = new Set<unknown>();
    await using server = await startRpcServer({
      place,
      httpVersion: "1.1",
      intercept({ socket, url = "" }) {
        if (url.includes("BehaviourService")) {
          sockets.add(socket);
        }
        return false;
      },
    });
    await using connection = await connect(server.address, { require });
    const client = connection.client(BehaviourService);
    const echoes = async () => {
      for (let call = 0; call < 5; call++) {
        await client.echo({});
      }
    };
    await echoes();
    const stop = new AbortController();
    const cancelled = client.hang({}, { signal: stop.signal });
    cancelled.catch(() => undefined);
    await vi.waitFor(() => expect(server.calls).toContain("Hang"));
    stop.abort();
    await expect(cancelled).rejects.toMatchObject({ code: Code.Canceled });
    await echoes();
    const lost = [client.hang({}), client.hang({}), client.hang({}), client.hang({})];
    const told = Promise.allSettled(lost);
    await vi.waitFor(() => expect(server.calls.filter((name) => name === "Hang")).toHaveLength(5));
    const before = sockets.size;
    server.breakOff();
    expect(await told).toMatchObject(lost.map(() => ({ reason: { errorCode: "PB-CONNECTION-LOST" } })));
    await echoes();
    expect([before, sockets.size]).toEqual([5, 6]);
  });

  test("after three calls in a row that a server has ended each goes on a connection of its own, for a minute", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      await using server = await startServer(place, (socket) => socket.destroy());
      await using connection = await connect(server.address, { require });
      const client = connection.client(BehaviourService);
      const lostOf = async (count: number) => {
        let lost = 0;
        for (let call = 0; call < count; call++) {
          vi.advanceTimersByTime(1);
          await client.fail({}).catch(() => {
            lost += 1;
          });
        }
        return lost;
      };
      expect(await lostOf(20)).toBe(3);
      vi.advanceTimersByTime(60_000);
      expect(await lostOf(10)).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  test("a server that closes right after each response, without saying so, is called as any other", async () => {
    await using server = await startRawServer(place, (socket) => {
      socket.once("data", (bytes) => {
        socket.end(String(bytes).includes("/Describe") ? replies.Describe : replies.unary);
      });
    });
    await using connection = await connect(server.address, { require });
    const client = connection.client(BehaviourService);
    for (let call = 0; call < 20; call++) {
      await client.echo({ data: new Uint8Array(100_000) });
    }
  });
});

test("over fetch a call is made again, too, if the server says that it has done nothing", async () => {
  let refused = 0;
  await using server = await startServer("http", (socket, reply) => {
    if (refused === 0) {
      refused += 1;
      socket.end(refusal);
    } else {
      socket.write(reply);
    }
  });
  await using connection = await connect(server.address, { require: { protocols: ["connect"] }, fetch });
  const client = connection.client(BehaviourService);
  await client.fail({});
  await client.fail({});
  expect(refused).toBe(1);
  expect(server.calls).toEqual(["Describe", "Fail", "Fail", "Fail"]);
});

test("a server that takes no GET is called by POST, from then on at once", async () => {
  const methods: (string | undefined)[] = [];
  await using server = await startRpcServer({
    place: "http",
    httpVersion: "1.1",
    intercept({ method, url = "" }, response) {
      if (url.includes("BehaviourService")) {
        methods.push(method);
      }
      if (method === "GET") {
        response.writeHead(405, { allow: "POST" }).end();
      }
      return method === "GET";
    },
  });
  await using connection = await connect(server.address, { require: { protocols: ["connect"] } });
  const client = connection.client(BehaviourService);
  expect((await client.echo({ text: "a" })).text).toBe("a");
  expect((await client.echo({ text: "b" })).text).toBe("b");
  expect(methods).toEqual(["GET", "POST", "POST"]);
});
