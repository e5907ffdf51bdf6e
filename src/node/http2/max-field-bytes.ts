import type * as http2 from "node:http2";
import { maxFieldBlockBytes } from "../../call/messages/connection-fields.ts";

/** Bytes of a response's headers beside a handler's, generously. */
const ofEveryResponse = 1024;

/**
 * Bytes of headers or trailers: what the caller takes, if it says so. Statuses have to get through in any case.
 * @param session There is none when the caller has gone already.
 */
export function maxFieldBytes(session: http2.Http2Session | undefined): number {
  const said = session?.remoteSettings.maxHeaderListSize ?? maxFieldBlockBytes;
  return Math.max(1024, Math.min(said, maxFieldBlockBytes) - ofEveryResponse);
}
