import { connect, type Socket } from "node:net";
import type { RpcTarget } from "capnweb";
import { RpcSession } from "capnweb";
import type { Contender, Driver } from "../../contender.ts";
import { header, timeoutMs } from "../../contender.ts";
import { drive } from "../../drive.ts";
import { builtServer, nodeServer } from "../../server-program.ts";
import { opened, openSocket } from "../sockets.ts";
import type { EchoTarget } from "./service.ts";
import { socketTransport } from "./transport.ts";

/** Cap'n Web. It has no deadlines, signals and headers; a caller who needs them does as here. */
export const capnweb: Contender = {
  name: "capnweb",
  title: "Cap'n Web",
  server: nodeServer("capnweb"),
  builtServer: builtServer("capnweb"),
  connect: async (path) => driveCapnweb(await opened(connect(path))),
  connectTcp: async (port, identity) => driveCapnweb(await opened(openSocket(port, identity))),
};

function driveCapnweb(socket: Socket): Driver {
  const remote = new RpcSession<EchoTarget & RpcTarget>(socketTransport(socket)).getRemoteMain();
  const parts = { timeoutMs, header };
  return drive({
    unary(data, signal) {
      return untilEnded(remote.echo(data, parts), signal);
    },
    async *stream(count, size, signal) {
      const stream = await untilEnded(remote.produce(count, size, parts), signal);
      for await (const data of stream) {
        yield data;
      }
    },
    async *hold() {
      for await (const data of await remote.hold()) {
        yield data;
      }
    },
    close() {
      socket.destroy();
    },
  });
}

function untilEnded<T>(answer: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => end(() => reject(signal.reason));
    const timer = setTimeout(() => end(() => reject(new Error("the call takes too long"))), timeoutMs);
    const end = (settle: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    signal.addEventListener("abort", onAbort);
    answer.then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    );
  });
}
