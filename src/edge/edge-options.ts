import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";

/** How to serve a plugin at the edge. Everything is closed unless it is opened here. */
export interface EdgeOptions<Config extends DescMessage = DescMessage> {
  /** The configuration. Default: the JSON in the variable PLUGBOARD_CONFIG of the Worker, or none. */
  readonly config?: MessageInitShape<Config>;
  /** Origins whose pages may call, such as "https://app.example.com". Default: none. */
  readonly origins?: readonly string[];
  /** Largest request message, in bytes. Default: 4 MiB. */
  readonly maxMessageBytes?: number;
  /** Whether callers may ask what there is to call, by grpc.reflection.v1 and v1alpha. Default: false. */
  readonly reflection?: boolean;
}
