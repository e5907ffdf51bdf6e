import * as transports from "./connect-transports.ts";
import type { Dialer } from "./dialer.ts";
import { fetchDialers } from "./fetch.ts";
import { memoryDialer } from "./memory.ts";
import { ttrpcDialers } from "./ttrpc.ts";

/** Dialers that work anywhere: in browsers, in Workers and in Node. */
export const portableDialers: readonly Dialer[] = [memoryDialer, ...fetchDialers(transports), ...ttrpcDialers];
