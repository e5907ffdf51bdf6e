import type { Dialer } from "./dialer.ts";
import { fetchDialers } from "./fetch-dialer.ts";
import { memoryDialer } from "./memory-dialer.ts";
import { ttrpcDialers } from "./ttrpc-dialers.ts";

/** What can dial anywhere: in browsers, in Workers and in Node. */
export const portableDialers: readonly Dialer[] = [memoryDialer, ...fetchDialers, ...ttrpcDialers];
