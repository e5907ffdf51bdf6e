/**
 * The network of an address, by which callers are told apart: of IPv6 the first 64 bits, as one host usually has all
 * addresses below them; of IPv4, also in the form of IPv6, the address itself.
 *
 * A file of its own, as limits of rates and of failed authentications both count by it.
 */
export function networkOf(address: string): string {
  const [plain = ""] = address.toLowerCase().split("%", 1);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) {
    return mapped;
  }
  if (!plain.includes(":")) {
    return plain;
  }
  const [head = "", tail = ""] = plain.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const zeros = plain.includes("::") ? Array<string>(Math.max(0, 8 - before.length - after.length)).fill("0") : [];
  const groups = [...before, ...zeros, ...after].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
