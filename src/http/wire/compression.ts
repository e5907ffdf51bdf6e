import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

/**
 * The compression that a request is in.
 * @param name What the request says; `null` if it says nothing.
 * @param acceptField The field in which the refusal names what is known instead.
 * @throws ConnectError unimplemented if it is not known
 */
export function requestCompression(
  known: readonly Compression[],
  name: string | null,
  acceptField: string,
): Compression | undefined {
  if (name === null || name === "identity") {
    return undefined;
  }
  const found = known.find((each) => each.name === name);
  if (found === undefined) {
    const names = known.map((each) => each.name).join(",");
    throw new ConnectError(`unknown compression "${name}": supported encodings are ${names}`, Code.Unimplemented, {
      [acceptField]: names,
    });
  }
  return found;
}

/**
 * The compression that a response may have.
 * @param accepted What the caller says that it takes. One that says nothing takes what it sends itself.
 */
export function responseCompression(
  known: readonly Compression[],
  accepted: string | null,
  ofRequest: string | null,
): Compression | undefined {
  const names = (accepted || ofRequest || "").split(",").map((each) => each.trim());
  return names.map((name) => known.find((each) => each.name === name)).find((each) => each !== undefined);
}
