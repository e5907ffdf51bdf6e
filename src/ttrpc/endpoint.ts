import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Carrier, EndpointSchema } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { Protocol } from "../gen/plugboard/plugin/v1/plugin_pb.ts";

/** Our extension of ttrpc for cancellation, metadata and flow control, as a manifest's endpoint names it. */
export const streamExtension = "plugboard.stream.v1";

/** Our extension of that for messages that don't fit into a frame. */
export const chunkExtension = "plugboard.chunk.v1";

/** The endpoint in a manifest for a place where a plugin serves ttrpc: its address is where the manifest came from. */
export function ttrpcEndpoint(carrier: Carrier): MessageInitShape<typeof EndpointSchema> {
  return { protocol: Protocol.TTRPC, carrier, extensions: [streamExtension, chunkExtension] };
}
