import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { EndpointSchema, LimitsSchema, Manifest } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { ManifestSchema, MethodKind } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { Plugin } from "./define-plugin.ts";

/** A manifest's content beyond the plugin itself. */
export interface ManifestOptions {
  readonly endpoints?: readonly MessageInitShape<typeof EndpointSchema>[];
  readonly limits?: MessageInitShape<typeof LimitsSchema>;
  /** Application protocol version in force. Default: the plugin's highest. */
  readonly protocolVersion?: number;
}

const methodKinds = {
  unary: MethodKind.UNARY,
  server_streaming: MethodKind.SERVER_STREAMING,
  client_streaming: MethodKind.CLIENT_STREAMING,
  bidi_streaming: MethodKind.BIDI_STREAMING,
} as const satisfies Record<DescMethod["methodKind"], MethodKind>;

/** Makes the manifest: what a plugin says of itself, in the shape that travels. */
export function createManifest(plugin: Plugin, options: ManifestOptions = {}): Manifest {
  return create(ManifestSchema, {
    name: plugin.name,
    version: plugin.version,
    description: plugin.description,
    protocolVersion: options.protocolVersion ?? Math.max(...plugin.protocolVersions),
    protocolVersions: [...plugin.protocolVersions],
    services: plugin.services.map((service) => ({
      name: service.typeName,
      methods: service.methods.map((method) => ({
        name: method.name,
        kind: methodKinds[method.methodKind],
        idempotent: method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN,
      })),
    })),
    endpoints: [...(options.endpoints ?? [])],
    ...(options.limits && { limits: options.limits }),
    dependencies: plugin.dependencies.map(({ name, versionRange }) => ({ name, versionRange })),
  });
}
