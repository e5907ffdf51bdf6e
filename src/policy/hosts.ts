import { PlugboardError } from "../base/errors.ts";
import { isLoopback } from "../base/loopback.ts";

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
  const wanted = new Set(hosts.map((each) => asBrowsersSay(each)));
  const wants = (authority: string) => {
    const { name, port } = partsOf(authority);
    const ports = port === "" ? defaultPorts : [port];
    return wanted.has(name) || ports.some((each) => wanted.has(`${name}:${each}`)) || isLoopback(name);
  };
  return (authority) => wanted.has("*") || wants(authority) || wants(asBrowsersSay(authority));
}

/** Those that requests leave out: of http: and https:. Behind a proxy it is not known here which of both a caller speaks. */
const defaultPorts = ["80", "443"];

/** Without the dot that stands for the root of all names. */
function partsOf(authority: string): { readonly name: string; readonly port: string } {
  const [, host = "", port = ""] = authorityPattern.exec(authority.toLowerCase()) ?? [];
  return { name: host.replace(/\.$/, ""), port };
}

/** The same host as requests of browsers name it, such as "xn--mnchen-3ya.test" for "münchen.test". */
function asBrowsersSay(authority: string): string {
  const { name, port } = partsOf(authority);
  // allowed plain-http: parsed, never connected to.
  const url = `http://${name}`;
  return (URL.canParse(url) ? new URL(url).hostname : name) + (port && `:${port}`);
}
