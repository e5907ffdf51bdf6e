import { spawn } from "node:child_process";
import { once } from "node:events";
import * as net from "node:net";
import { expect, test } from "vitest";
import { connectSocket } from "../../../src/go-plugin/broker/announced-address.ts";

/** Listens, and accepts no one, as it has stopped at that. */
const unaccepting = `
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    console.log(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000);
    process.exit();
  });`;

test("a connection that no one accepts is given up after a while", { timeout: 10_000 }, async () => {
  const child = spawn("node", ["-e", unaccepting], { stdio: ["ignore", "pipe", "inherit"] });
  const others: net.Socket[] = [];
  try {
    const [printed] = (await once(child.stdout, "data")) as [Buffer];
    const to = { host: "127.0.0.1", port: Number(printed) };
    for (const _ of [1, 2, 3, 4]) {
      others.push(net.connect(to).on("error", () => undefined));
    }
    const connecting = connectSocket(to, new AbortController().signal, 200);
    await expect(connecting).rejects.toThrow("the other side did not accept the connection within 200 ms");
  } finally {
    for (const each of others) {
      each.destroy();
    }
    child.kill("SIGKILL");
  }
});
