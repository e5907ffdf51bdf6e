/** Where there is `setImmediate`, it runs once all that has come in is dealt with, without a wait of a millisecond. */
const immediate = (globalThis as { setImmediate?: (run: () => void) => unknown }).setImmediate;

/** Runs something when timers and I/O have had their turn. */
export const nextTurn: (run: () => void) => unknown = immediate ?? ((run) => setTimeout(run, 0));

/** Runs something at the end of this turn: when all that has come in is dealt with, where the runtime can tell. */
export const endOfTurn: (run: () => void) => unknown = immediate ?? queueMicrotask;
