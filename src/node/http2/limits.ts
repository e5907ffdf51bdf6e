/**
 * Memory of one HTTP/2 session, in megabytes. Node's own limit of 10 resets calls as soon as a few large messages are
 * in flight; with the limit on messages, this one bounds what a peer can take up.
 */
export const maxSessionMemory = 1024;
