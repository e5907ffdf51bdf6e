import type { Socket } from "node:net";
import type { RpcTransport } from "capnweb";

/** Cap'n Web's messages over a socket, in its usual encoding: JSON, so a newline ends a message. */
export function socketTransport(socket: Socket): RpcTransport {
  const ready: string[] = [];
  let waiting: PromiseWithResolvers<string> | undefined;
  let failure: Error | undefined;
  let pieces: string[] = [];
  let written = "";

  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      pieces.push(text.slice(start, end));
      ready.push(pieces.join(""));
      pieces = [];
      start = end + 1;
    }
    if (start < text.length) {
      pieces.push(text.slice(start));
    }
    const message = waiting && ready.shift();
    if (message !== undefined) {
      waiting?.resolve(message);
      waiting = undefined;
    }
  });
  // allowed empty-catch: it closes then, which ends what is measured.
  socket.on("error", () => {});
  socket.on("close", () => {
    failure = new Error("the connection has ended");
    waiting?.reject(failure);
  });
  function flush() {
    if (written !== "") {
      socket.write(written);
      written = "";
    }
  }

  return {
    send(message) {
      // What is sent in the same turn leaves in one write, as long as that is not too much for a string.
      if (written === "") {
        process.nextTick(flush);
      }
      written += `${message}\n`;
      if (written.length > 1024 * 1024) {
        flush();
      }
    },
    receive() {
      const message = ready.shift();
      if (message !== undefined) {
        return Promise.resolve(message);
      }
      if (failure !== undefined) {
        return Promise.reject(failure);
      }
      waiting = Promise.withResolvers<string>();
      return waiting.promise;
    },
    abort: () => socket.destroy(),
  };
}
