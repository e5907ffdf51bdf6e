/**
 * Ends a caller's iterator before it has ended itself. It may be in the middle of something, so nobody waits for it; and what it
 * throws must not reach anybody.
 * @param reason What it is told, if it can be told anything.
 */
export function endIterator(iterator: AsyncIterator<unknown> | undefined, reason?: unknown): void {
  const end = async () => {
    await (reason !== undefined && iterator?.throw ? iterator.throw(reason) : iterator?.return?.());
  };
  end().catch(() => undefined);
}
