import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerTls } from "plugboard";
import { definePlugin } from "plugboard";
import type { ListenAddress } from "../../../src/node/listen/listen-address.ts";
import { formatListenAddress, listenerEndpoints } from "../../../src/node/listen/listen-address.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { readServerTls } from "../../../src/node/tls/credentials.ts";
import { createManifest } from "../../../src/plugin/manifest.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import { pluginServiceRoutes } from "../../../src/services/plugin-service.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** A plugin behind a listener in this process. */
export interface SecureListener extends AsyncDisposable {
  /** As connect() takes it. */
  readonly address: string;
  /** The place that a socket connects to. */
  readonly socket: { readonly path: string } | { readonly host: string; readonly port: number };
  /** The texts that reached the handler. */
  readonly handled: readonly string[];
  /** The reasons why connections were refused. */
  readonly refused: readonly string[];
  drain(graceMs: number): Promise<void>;
}

/** Starts one, without TLS unless told how. */
export async function startListener(
  carrier: "unix" | "tcp",
  tls: ServerTls | undefined,
  headerTimeoutMs = 10_000,
): Promise<SecureListener> {
  const directory = await mkdtemp(join(tmpdir(), "tls-"));
  const handled: string[] = [];
  const refused: string[] = [];
  const plugin = definePlugin({
    name: "noting",
    version: "1.0.0",
    routes(router) {
      router.service(BehaviourService, {
        echo({ text, data }) {
          handled.push(text);
          return { text, data };
        },
        async *converse(requests) {
          for await (const { text } of requests) {
            yield { text };
          }
        },
      });
    },
  });
  const at: ListenAddress =
    carrier === "unix" ? { carrier, path: join(directory, "p.sock") } : { carrier, host: "127.0.0.1", port: 0 };
  const manifest = createManifest(plugin, { endpoints: listenerEndpoints(at, tls !== undefined) });
  const running = await startPlugin(plugin, { standardRoutes: [pluginServiceRoutes(manifest)] });
  const { address, drain } = await listen(running, at, {
    headerTimeoutMs,
    ...(tls && { tls: await readServerTls(tls) }),
    onRefused: ({ errorCode }) => refused.push(errorCode),
  });
  const socket = address.carrier === "unix" ? { path: address.path } : { host: "127.0.0.1", port: address.port };
  return {
    address: formatListenAddress(address).replace("127.0.0.1", "localhost"),
    socket,
    handled,
    refused,
    drain,
    async [Symbol.asyncDispose]() {
      await drain(0);
      await running.stop();
      await rm(directory, { recursive: true });
    },
  };
}
