/** Limits of the plugin whose calls are recorded. */
export const observedLimits = { maxHeaderBytes: 4_000, maxBodyBytes: 10_000, maxMessageBytes: 10_000 } as const;
