import type { DescMessage } from "@bufbuild/protobuf";
import type { CallLimits } from "../call/call-policy.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { PolicyOptions } from "../policy/create-call-policy.ts";
import type { Hsts } from "../policy/hsts.ts";
import type { StandardService } from "../services/standard-service.ts";

// A file of its own, as serve-options.ts is: edge() and startPlugin() both take them.

/** Options for serving a plugin at the edge. Everything is closed unless it is opened here. */
export interface EdgeOptions<Config extends DescMessage = DescMessage> extends PolicyOptions {
  /**
   * Limits on calls. Default: bodies of 1 MiB, messages of 4 MiB, headers of 16 KiB, 100 calls at once on a WebSocket,
   * 120 s for a call and 60 s for each thing that it waits for.
   */
  readonly limits?: Partial<CallLimits>;
  /** The configuration. Default: the JSON in the variable PLUGBOARD_CONFIG of the Worker, or none. */
  readonly config?: ConfigInit<Config>;
  /** Origins whose pages may call, such as "https://app.example.com"; "*" is any. Default: none. */
  readonly origins?: readonly string[];
  /**
   * Hosts that requests may be for, as they name them, with or without port: "notes.example.com". Others get 421; names of
   * the loopback interface, and `connect` over service bindings, are always taken, "*" is any. Default: any.
   */
  readonly hosts?: readonly string[];
  /**
   * `Strict-Transport-Security`: how long browsers reach this host over HTTPS alone, once they have. `false` sends
   * nothing. Default: two years, without the hosts below this one.
   */
  readonly hsts?: Hsts | false;
  /** Services beside the plugin's own. Default: `[health()]`. */
  readonly services?: readonly StandardService[];
  /**
   * `webSockets`: serves ttrpc on WebSockets, too, over which browsers make client-streaming and bidi calls. Default: the
   * plugin has no WebSocket.
   */
  readonly webSockets?: WebSockets;
}

/** What serves ttrpc on WebSockets at the edge: `webSockets`, and nothing else. */
export interface WebSockets {
  /** The carrier that it adds to those of the plugin. */
  readonly carrier: "websocket";
}
