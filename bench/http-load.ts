import { once } from "node:events";
import { connect } from "node:net";
import type { Amount } from "./contender.ts";

/**
 * Posts the same JSON over and over on connections that stay open, one request at a time on each. It knows no more of HTTP than it needs,
 * so that the server is what is measured: Node's own client takes longer for a request than workerd.
 */
export async function loadHttp(
  port: number,
  path: string,
  body: string,
  connections: number,
  milliseconds: number,
): Promise<Amount> {
  const request = Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const start = performance.now();
  let done = 0;
  const work = async () => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const closed = once(socket, "close");
    let received = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      received += chunk;
      if (!isWhole(received)) {
        return;
      }
      if (!received.startsWith("HTTP/1.1 200 ")) {
        socket.destroy(new Error(`answered: ${received.slice(0, 200)}`));
        return;
      }
      done += 1;
      received = "";
      if (performance.now() - start < milliseconds) {
        socket.write(request);
      } else {
        socket.destroy();
      }
    });
    socket.write(request);
    await closed;
  };
  await Promise.all(Array.from({ length: connections }, work));
  return { done, seconds: (performance.now() - start) / 1000 };
}

/** True if a response has come to its end. */
function isWhole(answer: string): boolean {
  const head = answer.indexOf("\r\n\r\n");
  if (head < 0) {
    return false;
  }
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, head + 2))?.[1];
  return length === undefined ? answer.endsWith("\r\n0\r\n\r\n") : answer.length - head - 4 >= Number(length);
}
