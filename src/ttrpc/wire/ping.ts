import type { Frame } from "./frame.ts";
import { frameFlag, frameType } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";

/** Length of the data of a ping, in bytes. */
export const pingBytes = 8;

/**
 * Makes what answers pings with their own data. While the carrier takes no more, only the last one waits for its answer:
 * whoever pings without reading must not fill the memory.
 */
export function createPingAnswerer(link: FrameLink): (ping: Frame) => void {
  let waiting: Uint8Array | undefined;
  const answer = (data: Uint8Array) => link.send(0, frameType.ping, frameFlag.pingAnswer, data);

  async function answerWaiting() {
    await link.writable();
    if (waiting !== undefined) {
      answer(waiting);
      waiting = undefined;
    }
  }

  return ({ flags, data }) => {
    if (data?.byteLength !== pingBytes || (flags & frameFlag.pingAnswer) !== 0) {
      return;
    }
    if (waiting !== undefined) {
      waiting = data;
    } else if (link.congested) {
      waiting = data;
      // Where it fails, the connection has ended.
      answerWaiting().catch(() => undefined);
    } else {
      answer(data);
    }
  };
}
