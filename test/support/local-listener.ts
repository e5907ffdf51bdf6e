import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Plugin } from "plugboard";
import { trustedLimits } from "../../src/call/call-policy.ts";
import { formatListenAddress, listenerEndpoints } from "../../src/node/listen/listen-address.ts";
import type { ListenOptions } from "../../src/node/listen/listener.ts";
import { listen } from "../../src/node/listen/listener.ts";
import { createManifest } from "../../src/plugin/manifest.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import type { PolicyOptions } from "../../src/policy/create-call-policy.ts";
import { createCallPolicy } from "../../src/policy/create-call-policy.ts";
import { pluginServiceRoutes } from "../../src/services/plugin-service.ts";

/** A plugin in this process that listens. */
export interface LocalListener extends AsyncDisposable {
  /** As connect() takes it. */
  readonly address: string;
}

/** Serves a plugin in this process on a Unix socket, or on a port of the loopback interface. */
export async function listenLocally(
  plugin: Plugin,
  carrier: "unix" | "tcp",
  options: PolicyOptions & Pick<ListenOptions, "keepalive"> = {},
): Promise<LocalListener> {
  const directory = await mkdtemp(join(tmpdir(), "listener-"));
  const at =
    carrier === "unix"
      ? ({ carrier, path: join(directory, "p.sock") } as const)
      : ({ carrier, host: "127.0.0.1", port: 0 } as const);
  const manifest = createManifest(plugin, { endpoints: listenerEndpoints(at, false) });
  const running = await startPlugin(plugin, { standardRoutes: [pluginServiceRoutes(manifest)] });
  const listener = await listen(running, at, {
    policy: createCallPolicy(options, trustedLimits),
    ...(options.keepalive && { keepalive: options.keepalive }),
  });
  return {
    address: formatListenAddress(listener.address),
    async [Symbol.asyncDispose]() {
      await listener.drain(0);
      await running.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
