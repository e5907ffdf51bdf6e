import { pluginError } from "./errors.ts";

/**
 * Checks a list of application protocol versions.
 * @throws PlugboardError PB-PLUGIN-PROTOCOL-VERSIONS
 */
export function checkProtocolVersions(versions: readonly number[]): void {
  if (
    new Set(versions).size !== versions.length ||
    !versions.every((each) => Number.isInteger(each) && each >= 0 && each <= 0xffffffff)
  ) {
    throw pluginError(
      "PB-PLUGIN-PROTOCOL-VERSIONS",
      `protocolVersions is [${versions}], which is not a list of distinct whole numbers from 1`,
    );
  }
}

/**
 * Picks the application protocol version: the highest one both sides speak, `undefined` if they have none in common.
 * An empty list of wanted versions means that any will do.
 */
export function pickProtocolVersion(offered: readonly number[], wanted: readonly number[]): number | undefined {
  const common = wanted.length === 0 ? offered : offered.filter((version) => wanted.includes(version));
  return common.length === 0 ? undefined : Math.max(...common);
}
