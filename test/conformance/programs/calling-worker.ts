/** Makes the calls that it is asked for, from within workerd. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServiceBinding } from "plugboard";
import { connect } from "plugboard";
import {
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { call, protocolOf, withoutDescription } from "./call.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    const asked = fromBinary(ClientCompatRequestSchema, new Uint8Array(await request.arrayBuffer()));
    const { pathname } = new URL(request.url);
    const response = await call(asked, ({ host, port, messageReceiveLimit }) =>
      connect(pathname === "/service-binding" ? bindingTo(host, port) : `http://${host}:${port}`, {
        require: { protocols: [protocolOf(asked)] },
        interceptors: [withoutDescription],
        ...(messageReceiveLimit > 0 && { maxMessageBytes: messageReceiveLimit }),
      }),
    );
    return new Response(toBinary(ClientCompatResponseSchema, response));
  },
};

/** As if another Worker were bound: whatever host a request names, it goes to this one. */
function bindingTo(host: string, port: number): ServiceBinding {
  return {
    fetch(input, init) {
      const url = new URL(String(input));
      return fetch(`http://${host}:${port}${url.pathname}${url.search}`, init);
    },
  };
}
