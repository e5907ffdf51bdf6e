import { createServer } from "node:net";
import { RpcSession, RpcTarget } from "capnweb";
import type { CallParts, EchoTarget } from "../contenders/capnweb-service.ts";
import { socketTransport } from "../contenders/capnweb-transport.ts";
import { socketPath, tellListening } from "./listening.ts";

class Echo extends RpcTarget implements EchoTarget {
  echo(data: Uint8Array, _parts: CallParts): Uint8Array {
    return data;
  }

  produce(count: number, size: number, _parts: CallParts): ReadableStream<Uint8Array> {
    const data = new Uint8Array(size);
    let sent = 0;
    return new ReadableStream({
      pull(controller) {
        if (sent === count) {
          controller.close();
        } else {
          sent += 1;
          controller.enqueue(data);
        }
      },
    });
  }
}

createServer((socket) => new RpcSession(socketTransport(socket), new Echo())).listen(socketPath, tellListening);
