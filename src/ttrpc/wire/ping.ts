import type { Frame } from "./frame.ts";
import { frameFlag, frameType } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";

/** Length of the data of a ping, in bytes. */
export const pingBytes = 8;

/**
 * Makes a function that responds to pings with their own data. While the carrier takes no more, only the reply to the
 * last one waits: a peer that pings without reading must not fill the memory.
 */
export function createPingResponder(link: FrameLink): (ping: Frame) => void {
  let waiting: Uint8Array | undefined;
  const reply = (data: Uint8Array) => link.send(0, frameType.ping, frameFlag.pingReply, data);

  async function replyWaiting() {
    await link.writable();
    if (waiting !== undefined) {
      reply(waiting);
      waiting = undefined;
    }
  }

  return ({ flags, data }) => {
    if (data?.byteLength !== pingBytes || (flags & frameFlag.pingReply) !== 0) {
      return;
    }
    if (waiting !== undefined) {
      waiting = data;
    } else if (link.congested) {
      waiting = data;
      // Where it fails, the connection has ended.
      replyWaiting().catch(() => undefined);
    } else {
      reply(data);
    }
  };
}
