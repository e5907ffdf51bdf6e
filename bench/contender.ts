import type { Identity } from "./contenders/identity.ts";

/** An amount of work, and the time it took. */
export interface Amount {
  /** Calls, or messages of streams. */
  readonly done: number;
  readonly seconds: number;
}

/** Makes calls as fast as it can. */
export interface Driver {
  /** Echoes so many bytes, so many calls at once, for at least so long. */
  unary(size: number, concurrency: number, milliseconds: number): Promise<Amount>;
  /** Reads server streams of `count` messages, one stream after the other, for at least so long. */
  stream(size: number, count: number, milliseconds: number): Promise<Amount>;
  /** Opens a server stream and reads its first message. It stays open as long as its reader is kept. */
  openStream?(): Promise<AsyncIterator<unknown>>;
  close(): Promise<void>;
}

/** One way to call EchoService of proto/plugboard/bench/v1, or what is as close to it as possible. */
export interface Contender {
  /** For the command line and the results. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** The server's program; the socket's path comes after it. Its first line on stdout says that it listens. */
  readonly server: readonly string[];
  /** The same as it is shipped: built, for the time it takes to start and the memory it takes. Default: `server`. */
  readonly builtServer?: readonly string[];
  /** Set if it can't have calls in flight at once. */
  readonly oneAtATime?: boolean;
  /** Connects to the server on its Unix socket. */
  connect(path: string): Promise<Driver>;
  /** Connects to it on the loopback interface, with TLS if there is an identity. Default: it can't. */
  connectTcp?(port: number, identity: Identity | undefined): Promise<Driver>;
}

/** The timeout of every call of an RPC contender, beside a signal. */
export const timeoutMs = 60_000;

/** The header that every call of an RPC contender sends. */
export const header = { "x-bench": "plugboard" } as const;
