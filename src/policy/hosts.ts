import { PlugboardError } from "../plugin/errors.ts";
import { isLoopback } from "../plugin/loopback.ts";

/** Whether requests for a host are answered. @param authority As requests name it: "notes.example.com:8443". */
export type HostRule = (authority: string) => boolean;

/** A name or an address, IPv6 in brackets, and maybe a port. */
const authorityPattern = /^(\[[^[\]]+\]|[^:/?#@\s[\]]+)(?::(\d*))?$/;

/** What refuses a request for another host says. */
export const otherHost = "requests for this host are not answered here";

/**
 * Checks names of hosts.
 * @throws PlugboardError PB-HOST-INVALID
 */
export function checkHosts(hosts: readonly string[]): void {
  for (const host of hosts) {
    if (host !== "*" && !(authorityPattern.test(host) && URL.canParse(`http://${host}`))) {
      throw new PlugboardError("PB-HOST-INVALID", `"${host}" is no host`);
    }
  }
}

/**
 * Answers requests for these hosts alone, and for names of the loopback interface: to a page whose own name leads here,
 * neither belongs. A host without a port stands for all of them; "*" for any.
 */
export function onlyHosts(hosts: readonly string[]): HostRule {
  const wanted = new Set(hosts.map((each) => each.toLowerCase()));
  return (authority) => {
    const [, host = "", port = ""] = authorityPattern.exec(authority.toLowerCase()) ?? [];
    // With or without the dot that stands for the root of all names.
    const name = host.replace(/\.$/, "");
    return wanted.has("*") || wanted.has(name) || wanted.has(`${name}:${port}`) || isLoopback(name);
  };
}
