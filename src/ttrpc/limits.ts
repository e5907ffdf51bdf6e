/** Longest data of a frame, in bytes; containerd's limit. */
export const maxDataBytes = 4 * 1024 * 1024;
