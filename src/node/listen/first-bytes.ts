import type { Duplex } from "node:stream";
import type { Sniffed } from "./sniff.ts";
import { sniff } from "./sniff.ts";

/** Options for waiting for first bytes. */
export interface FirstBytesOptions {
  /** Milliseconds until they must have come; then the connection is destroyed. */
  readonly timeoutMs: number;
  /** Bytes that a protocol must have sent at least. Default: as many as tell it from the others. */
  readonly leastBytes?: Partial<Readonly<Record<Sniffed, number>>>;
}

/**
 * Reads a connection up to where its first bytes tell what is spoken. They are given back to the connection, which is then
 * paused; if `run` fails, it is destroyed.
 */
export function onFirstBytes(
  connection: Duplex,
  { timeoutMs, leastBytes = {} }: FirstBytesOptions,
  run: (protocol: Sniffed, head: Buffer) => Promise<void>,
): void {
  const timer = setTimeout(() => connection.destroy(), timeoutMs);
  connection.once("close", () => clearTimeout(timer));
  let head = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const protocol = sniff(head);
    if (protocol === undefined || head.byteLength < (leastBytes[protocol] ?? 0)) {
      return;
    }
    clearTimeout(timer);
    connection.off("data", onData);
    connection.pause();
    connection.unshift(head);
    run(protocol, head).catch(() => connection.destroy());
  };
  connection.on("data", onData);
  connection.resume();
}
