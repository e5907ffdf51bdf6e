import type { OutgoingHttpHeaders } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { requestHeader } from "@connectrpc/connect/protocol-grpc";
import { methodPath } from "../../../plugin/method-path.ts";

/** The fields of every request, as Connect's own client writes them. */
const always: OutgoingHttpHeaders = Object.fromEntries(requestHeader(true, undefined, undefined));

const ofMethods = new WeakMap<DescMethod, OutgoingHttpHeaders>();

/** The fields of a request. */
export function requestFields(
  method: DescMethod,
  timeoutMs: number | undefined,
  header: HeadersInit | undefined,
): OutgoingHttpHeaders {
  let ofMethod = ofMethods.get(method);
  if (ofMethod === undefined) {
    ofMethod = { ":method": "POST", ":path": methodPath(method), ...always };
    ofMethods.set(method, ofMethod);
  }
  // Node adds to them.
  const fields = { ...ofMethod };
  if (header !== undefined) {
    const metadata = header instanceof Headers ? header : new Headers(header);
    metadata.forEach((value, name) => {
      if (name === "user-agent" || !(name in fields)) {
        fields[name] = value;
      }
    });
  }
  if (timeoutMs !== undefined) {
    fields["grpc-timeout"] = grpcTimeout(timeoutMs);
  }
  return fields;
}

/** At most eight digits, see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. */
function grpcTimeout(timeoutMs: number): string {
  const milliseconds = Math.ceil(timeoutMs);
  return milliseconds <= 99_999_999 ? `${milliseconds}m` : `${Math.ceil(timeoutMs / 1000)}S`;
}
