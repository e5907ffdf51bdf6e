import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection } from "plugboard";
import { definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { listenerEndpoints } from "../../src/node/listen/listen-address.ts";
import { listen } from "../../src/node/listen/listener.ts";
import type { PluginDefinition } from "../../src/plugin/define-plugin.ts";
import { createManifest } from "../../src/plugin/manifest.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import { health } from "../../src/services/health-service.ts";
import { pluginServiceRoutes } from "../../src/services/plugin-service.ts";
import { reflection } from "../../src/services/reflection-service.ts";
import { DeclarationsService } from "../gen/plugboard/test/v1/declarations_pb.ts";

/** A plugin in this process that listens on a Unix socket and serves what every plugin process serves. */
export interface LocalPlugin extends AsyncDisposable {
  /** Tells it that it should stop. It goes on listening until it is disposed of. */
  readonly draining: AbortController;
  connect(protocol?: (typeof localProtocols)[number]): Promise<Connection>;
}

/** Protocols that it can be called by. */
export const localProtocols = ["ttrpc", "grpc", "connect"] as const;

/** Serves DeclarationsService, unless told otherwise. */
export async function serveLocally(routes: PluginDefinition["routes"] = declare): Promise<LocalPlugin> {
  const directory = await mkdtemp(join(tmpdir(), "services-"));
  const address = { carrier: "unix", path: join(directory, "p.sock") } as const;
  const draining = new AbortController();
  const plugin = definePlugin({ name: "local", version: "1.0.0", routes });
  const running = await startPlugin(plugin, {
    standardRoutes: [
      pluginServiceRoutes(createManifest(plugin, { endpoints: listenerEndpoints(address, false) })),
      health().routes({ draining: draining.signal }),
      reflection().routes({ draining: draining.signal }),
    ],
  });
  const listener = await listen(running, address, {});
  return {
    draining,
    connect: (protocol = "grpc") => connect(`unix:${address.path}`, { require: { protocols: [protocol] } }),
    async [Symbol.asyncDispose]() {
      await listener.drain(0);
      await running.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Registers DeclarationsService. */
export const declare: PluginDefinition["routes"] = (router) =>
  router.service(DeclarationsService, { declare: () => ({}) });
