import type { Dialer } from "./dialer.ts";
import { fetchDialers } from "./fetch.ts";
import { memoryDialer } from "./memory.ts";
import { ttrpcDialers } from "./ttrpc.ts";

/** What can dial anywhere: in browsers, in Workers and in Node. */
export const portableDialers: readonly Dialer[] = [memoryDialer, ...fetchDialers, ...ttrpcDialers];
