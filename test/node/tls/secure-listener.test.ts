import { once } from "node:events";
import * as net from "node:net";
import { text } from "node:stream/consumers";
import * as tls from "node:tls";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { makeParties } from "../../support/tls/parties.ts";
import { startListener } from "../../support/tls/start-listener.ts";

const { server, client, other, mutual, trusted } = await makeParties();

describe("the listener", () => {
  const secured = async (listener: { socket: net.NetConnectOpts }, options: tls.ConnectionOptions = {}) => {
    const socket = tls.connect({
      ...listener.socket,
      ca: server.certificate,
      cert: client.certificate,
      key: client.key,
      servername: "localhost",
      ...options,
    });
    await once(socket, "secureConnect");
    return socket;
  };
  const get = "GET /healthz HTTP/1.1\r\nHost: anywhere.example.com\r\nConnection: close\r\n\r\n";

  test("prefers h2, and takes http/1.1 and clients that name no protocol", async () => {
    await using listener = await startListener("tcp", mutual());
    for (const [offered, chosen] of [
      [["http/1.1", "h2"], "h2"],
      [["http/1.1"], "http/1.1"],
      [undefined, false],
    ] as const) {
      const socket = await secured(listener, offered ? { ALPNProtocols: [...offered] } : {});
      expect(socket.alpnProtocol).toBe(chosen);
      socket.destroy();
    }
  });

  test("serves HTTP/1.1 in TLS whatever host it is asked for", async () => {
    await using listener = await startListener("tcp", mutual());
    const socket = await secured(listener);
    socket.write(get);
    expect(await text(socket)).toContain('{"status":"ok"}');
  });

  test("speaks no TLS older than 1.2", async () => {
    await using listener = await startListener("tcp", mutual());
    await expect(secured(listener, { minVersion: "TLSv1.1", maxVersion: "TLSv1.1" })).rejects.toThrow();
    const socket = await secured(listener, { maxVersion: "TLSv1.2" });
    expect(socket.getProtocol()).toBe("TLSv1.2");
    socket.destroy();
  });

  test("responds to plain HTTP/1.1 with 426, and says what it wants", async () => {
    await using listener = await startListener("tcp", mutual());
    const socket = net.connect(listener.socket);
    socket.write(get);
    const response = await text(socket);
    expect(response).toMatch(
      /^HTTP\/1\.1 426 Upgrade Required\r\nUpgrade: TLS\/1\.2\r\nConnection: Upgrade, close\r\n/,
    );
    expect(response).toContain('"code":"failed_precondition"');
  });

  test("closes a connection that says nothing of use within its time, whatever it waits for", async () => {
    await using listener = await startListener("unix", mutual(), 300);
    const closed = async (socket: net.Socket) => {
      await text(socket).catch(() => undefined);
      return socket.destroyed;
    };
    const hello = Buffer.of(0x16, 3, 1);
    for (const said of ["", hello, "\0\0", "PRI"]) {
      const socket = net.connect(listener.socket);
      socket.write(said);
      expect(await closed(socket)).toBe(true);
    }
    expect(await closed(await secured(listener))).toBe(true);
    // Those that are refused, too.
    expect(await closed(await secured(listener, { cert: other.certificate, key: other.key }))).toBe(true);
  });

  test("runs no handler for a client without a certificate, though it speaks at once", async () => {
    await using listener = await startListener("unix", mutual());
    const post = `POST /plugboard.test.v1.BehaviourService/Echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"text":"evil"}`;
    const socket = await secured(listener, { cert: other.certificate, key: other.key });
    socket.write(post);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 .*PB-TLS-REFUSED/s);
    expect(listener.handled).toEqual([]);
  });

  test("closes every connection when it drains, in the middle of TLS, too", async () => {
    await using listener = await startListener("unix", mutual());
    const half = net.connect(listener.socket);
    half.write(Buffer.of(0x16, 3, 1));
    const refused = net.connect(listener.socket);
    refused.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const idle = await secured(listener);
    await using connection = await connect(listener.address, { tls: trusted(), require: { protocols: ["grpc"] } });
    await connection.client(BehaviourService).echo({});
    const ended = Promise.all([half, refused, idle].map((each) => text(each).catch(() => undefined)));
    await listener.drain(0);
    await ended;
    await expect(connection.client(BehaviourService).echo({})).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
  });
});
