// A carrier that Plugboard does not have: the standard input and output of a process, be it one on another machine that
// ssh has started. docs/reference/carriers.md explains it.
import type { Readable, Writable } from "node:stream";
import type { CarrierConnection } from "plugboard";

/** Carries ttrpc over a pair of streams of bytes. */
export function stdioCarrier(input: Readable, output: Writable): CarrierConnection {
  return {
    // A stream of bytes may be cut anywhere; what has messages of its own says true here.
    wholeFrames: false,
    start(receiver) {
      input.on("data", (chunk: Uint8Array) => receiver.receive(new Uint8Array(chunk)));
      input.on("error", (error) => receiver.ended(error));
      input.on("close", () => receiver.ended());
      output.on("drain", () => receiver.drained());
      // allowed empty-catch: the other side has gone, and the input tells.
      output.on("error", () => {});
    },
    send: (bytes) => output.write(bytes),
    close() {
      output.end();
      input.destroy();
    },
    pause: () => input.pause(),
    resume: () => input.resume(),
  };
}
