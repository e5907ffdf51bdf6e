/**
 * Picks the application protocol version: the highest one both sides speak, `undefined` if they have none in common.
 * An empty list of wanted versions means that any will do.
 */
export function pickProtocolVersion(offered: readonly number[], wanted: readonly number[]): number | undefined {
  const common = wanted.length === 0 ? offered : offered.filter((version) => wanted.includes(version));
  return common.length === 0 ? undefined : Math.max(...common);
}
