import { RpcSession, RpcTarget } from "capnweb";
import type { CallParts, EchoTarget } from "../contenders/capnweb/service.ts";
import { socketTransport } from "../contenders/capnweb/transport.ts";
import { tellListening } from "./listening.ts";
import { createSocketServer, place } from "./place.ts";

class Echo extends RpcTarget implements EchoTarget {
  echo(data: Uint8Array, _parts: CallParts): Uint8Array {
    return data;
  }

  hold(): ReadableStream<Uint8Array> {
    return new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array()) });
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

const server = await createSocketServer((socket) => new RpcSession(socketTransport(socket), new Echo()));
server.listen(place, tellListening);
