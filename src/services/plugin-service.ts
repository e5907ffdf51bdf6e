import { create } from "@bufbuild/protobuf";
import type { Manifest } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { ManifestSchema, PluginService } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { pickProtocolVersion } from "../plugin/protocol-version.ts";
import type { Routes } from "../plugin/service-table.ts";

/**
 * Serves PluginService, which says what the plugin is. As go-plugin does, it responds to a caller with whom the plugin
 * shares no application protocol version with the plugin's lowest, and leaves the refusal to the caller.
 */
export function pluginServiceRoutes(manifest: Manifest): Routes {
  return (router) =>
    router.service(PluginService, {
      describe({ protocolVersions }) {
        const offered = manifest.protocolVersions;
        const protocolVersion =
          protocolVersions.length === 0
            ? manifest.protocolVersion
            : (pickProtocolVersion(offered, protocolVersions) ?? Math.min(...offered));
        return { manifest: create(ManifestSchema, { ...manifest, protocolVersion }) };
      },
    });
}
