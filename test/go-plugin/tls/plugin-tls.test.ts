import { once } from "node:events";
import fs, { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ServerTls } from "plugboard";
import { definePlugin } from "plugboard";
import { afterEach, beforeEach, expect, expectTypeOf, test, vi } from "vitest";
import { defaultLog } from "../../../src/base/log.ts";
import { readSettings } from "../../../src/go-plugin/settings/read.ts";
import { pluginTls } from "../../../src/go-plugin/tls/plugin-tls.ts";
import type { ListenOptions } from "../../../src/node/listen/listener.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import type { Identity } from "../../support/tls/certificates.ts";
import { makeCertificate } from "../../support/tls/certificates.ts";

const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "plugin-tls-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await rm(directory, { recursive: true });
});

const path = (name: string) => join(directory, name);

function write({ certificate, key }: Identity) {
  writeFileSync(path("tls.crt"), certificate);
  writeFileSync(path("tls.key"), key);
  writeFileSync(path("clients.pem"), certificate);
}

const url = (name: string) => pathToFileURL(path(name)).href;
const named = (): ServerTls => ({ certificate: url("tls.crt"), key: url("tls.key"), clientRoots: url("clients.pem") });

/** The names of the files in our directory that are read, in order. */
function readFiles(): string[] {
  const names: string[] = [];
  const readFile = fs.promises.readFile.bind(fs.promises);
  vi.spyOn(fs.promises, "readFile").mockImplementation((file, ...rest) => {
    const at = file instanceof URL ? fileURLToPath(file) : String(file);
    if (at.startsWith(directory)) {
      names.push(at.slice(directory.length + 1));
    }
    return readFile(file, ...rest);
  });
  syncBuiltinESMExports();
  return names;
}

/** A TLS connection to a server on one end, by a client on the other, each over its half of a socket pair. */
async function throughSockets<T>(run: (server: net.Socket, client: net.Socket) => Promise<T>): Promise<T> {
  const listening = net.createServer().listen(path("pair.sock"));
  await once(listening, "listening");
  const client = net.connect(path("pair.sock"));
  const [server] = (await once(listening, "connection")) as [net.Socket];
  try {
    return await run(server, client);
  } finally {
    client.destroy();
    server.destroy();
    listening.close();
  }
}

/** A listener with what pluginTls found out, and the certificate that it shows. */
async function startListener({ server }: NonNullable<Awaited<ReturnType<typeof pluginTls>>>) {
  const plugin = definePlugin({ name: "empty", version: "1.0.0", routes() {} });
  const listener = await listen(await startPlugin(plugin), { carrier: "unix", path: path("p.sock") }, { tls: server });
  return {
    async isTrustedBy({ certificate }: Identity) {
      const socket = tls.connect({ path: path("p.sock"), ca: certificate, servername: "localhost" });
      socket.on("error", () => undefined);
      try {
        await once(socket, "secureConnect");
        return true;
      } catch {
        return false;
      } finally {
        socket.destroy();
      }
    },
    [Symbol.asyncDispose]: () => listener.drain(0),
  };
}

test("a plugin reads each file of its certificates once, for its listener and for both roles of its broker", async () => {
  write(first);
  const read = readFiles();
  const found = await pluginTls(named(), readSettings("plugin", {}, {}), false, defaultLog);
  expect(found).toBeDefined();
  if (found === undefined) {
    return;
  }
  await using listener = await startListener(found);
  expect(await listener.isTrustedBy(first)).toBe(true);
  const { secure } = found;
  const ends = await throughSockets((server, client) =>
    Promise.all<Duplex | undefined>([secure.server?.(server), secure.client(client)]),
  );
  expect(ends).toEqual([expect.any(tls.TLSSocket), expect.any(tls.TLSSocket)]);
  expect(read.sort()).toEqual(["clients.pem", "tls.crt", "tls.key"]);

  write(second);
  expect(await listener.isTrustedBy(second)).toBe(true);
  expect(await listener.isTrustedBy(second)).toBe(true);
  expect(read.length).toBe(6);
});

test("a file that is spoilt while the plugin runs is named in the log as its setting is", async () => {
  write(first);
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { certificate, key } = named();
  const settings = readSettings("plugin", {}, { PLUGIN_SERVER_CERT: certificate, PLUGIN_SERVER_KEY: key });
  const found = await pluginTls(undefined, settings, false, defaultLog);
  expect(found).toBeDefined();
  if (found === undefined) {
    return;
  }
  await using listener = await startListener(found);
  writeFileSync(path("tls.crt"), "nothing");
  expect(await listener.isTrustedBy(first)).toBe(true);
  expect(logged).toHaveBeenCalledOnce();
  expect(String(logged.mock.calls[0])).toContain("PLUGIN_SERVER_CERT contains no certificate that can be read");
});

test("a listener can't be given certificates that were not read", () => {
  expectTypeOf<ServerTls>().not.toExtend<ListenOptions["tls"]>();
});
