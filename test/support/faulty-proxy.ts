import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A proxy between a client and a server, which fails when it is told to. */
export interface FaultyProxy extends AsyncDisposable {
  /** The address that it listens on, as connect() takes it: unix:… or tcp:…. */
  readonly address: string;
  /** Connections that it has taken, and those of them that are open. */
  readonly accepted: number;
  readonly open: number;
  /**
   * Drops everything that comes from either side from now on, without an end or a reset: as a peer that has lost its
   * power, a laptop that sleeps, or a NAT that has forgotten the connection.
   * @param which Connections that are open now, and not those to come; or all. Default: "all".
   */
  silence(which?: "open" | "all"): void;
  /** Carries again what comes, over new connections; those that were silenced stay so. */
  restore(): void;
  /** Ends the open connections: in order, on both sides; or by a reset. */
  cut(how: "end" | "reset"): void;
}

/** Starts a proxy before a server at unix:/path or tcp:host:port, with an address of the same kind. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const directory = await mkdtemp(join(tmpdir(), "proxy-"));
  const pairs = new Set<{ near: net.Socket; far: net.Socket; silent: boolean }>();
  let accepted = 0;
  let silent = false;

  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ ...whereTo(target), allowHalfOpen: true });
    const pair = { near, far, silent };
    accepted += 1;
    pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (bytes) => {
        if (!pair.silent && !to.write(bytes)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
      from.on("end", () => !pair.silent && to.end());
      from.on("error", () => !pair.silent && reset(to));
      from.on("close", () => {
        if (!pair.silent) {
          to.destroySoon();
        }
        if (near.destroyed && far.destroyed) {
          pairs.delete(pair);
        }
      });
    }
  });
  server.listen(target.startsWith("unix:") ? join(directory, "p.sock") : { host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const place = server.address();

  return {
    address: typeof place === "string" ? `unix:${place}` : `tcp:127.0.0.1:${place?.port}`,
    get accepted() {
      return accepted;
    },
    get open() {
      return pairs.size;
    },
    silence(which = "all") {
      silent = which === "all";
      for (const pair of pairs) {
        pair.silent = true;
      }
    },
    restore() {
      silent = false;
    },
    cut(how) {
      for (const { near, far } of pairs) {
        for (const socket of [near, far]) {
          if (how === "end") {
            socket.end();
          } else {
            reset(socket);
          }
        }
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { near, far } of pairs) {
        near.destroy();
        far.destroy();
      }
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A Unix socket knows no reset. */
function reset(socket: net.Socket) {
  if (socket.remoteFamily === undefined) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
}

function whereTo(address: string): net.NetConnectOpts {
  if (address.startsWith("unix:")) {
    return { path: address.slice("unix:".length) };
  }
  const { hostname, port } = new URL(address.replace(/^tcp:(\/\/)?/, "http://"));
  return { host: hostname, port: Number(port) };
}
