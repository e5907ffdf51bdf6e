import type { Frame } from "./frame.ts";
import { frameFlag, frameType } from "./frame.ts";
import type { FrameLink } from "./frame-link.ts";

const pingBytes = 8;

/** Answers a ping with its own data. */
export function answerPing(link: FrameLink, { flags, data }: Frame): void {
  if (data?.byteLength === pingBytes && (flags & frameFlag.pingAnswer) === 0) {
    link.send(0, frameType.ping, frameFlag.pingAnswer, data);
  }
}
