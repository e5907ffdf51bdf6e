import { Code } from "@connectrpc/connect";
import { isLoopback } from "../base/loopback.ts";
import type { RequestRefusal } from "../call/refuse-request.ts";
import { httpError } from "./errors.ts";

/** The hosts that requests may be for. */
export interface HostRule {
  /** @param authority As requests name it: "notes.example.com:8443". */
  allows(authority: string): boolean;
  /** The error message for a request for another host. */
  readonly refusal: string;
}

/** The host that a request says it is for. */
export interface NamedHost {
  /** `:authority` of HTTP/2, or what the platform has read already. */
  readonly authority: string | undefined;
  /** Each `Host` header. */
  readonly fields: readonly string[];
}

/** A name or an address, IPv6 in brackets, and maybe a port. */
const authorityPattern = /^(\[[^[\]]+\]|[^:/?#@\s[\]]+)(?::(\d*))?$/;

/**
 * Checks names of hosts.
 * @throws PlugboardError PB-HOST-INVALID
 */
export function checkHosts(hosts: readonly string[]): void {
  for (const host of hosts) {
    if (host !== "*" && !(authorityPattern.test(host) && URL.canParse(`http://${host}`))) {
      throw httpError("PB-HOST-INVALID", `"${host}" is not a host`);
    }
  }
}

/**
 * Allows requests for these hosts alone, and for names of the loopback interface: to a page whose own name leads here,
 * neither belongs. A host without a port stands for all of them; "*" for any.
 */
export function onlyHosts(hosts: readonly string[]): HostRule {
  const wanted = new Set(hosts.map((each) => asBrowsersSay(each)));
  const wants = (authority: string) => {
    const { name, port } = partsOf(authority);
    const ports = port === "" ? defaultPorts : [port];
    return wanted.has(name) || ports.some((each) => wanted.has(`${name}:${each}`)) || isLoopback(name);
  };
  const allows = (authority: string) => wanted.has("*") || wants(authority) || wants(asBrowsersSay(authority));
  return { allows, refusal: "this server does not serve requests for this host" };
}

/** Allows requests for names of the loopback interface alone. */
export const onlyLoopbackHosts: HostRule = {
  allows: onlyHosts([]).allows,
  refusal: "only requests for localhost, 127.0.0.1 and [::1] are served here",
};

/**
 * Checks the host that a request is for. Where only some are meant it has to be one of them: a web page can make its own
 * name lead here (DNS rebinding), but then it is that name that requests carry. Elsewhere an authority of HTTP/2 may be
 * anything: clients built on gRPC's core send the percent-encoded path of a Unix socket.
 */
export function refuseHost(
  { authority, fields }: NamedHost,
  isHttp2: boolean,
  rule: HostRule | undefined,
): RequestRefusal | undefined {
  // A server reads the first; others on the way might have read another (RFC 9112, section 3.2).
  if (fields.length > 1) {
    return { status: 400, code: Code.InvalidArgument, message: "the request has more than one Host header" };
  }
  if (isHttp2 && rule === undefined) {
    return undefined;
  }
  const named = authority === undefined ? fields : [authority, ...fields];
  if (named.length === 0) {
    return { status: 400, code: Code.InvalidArgument, message: "the request has no Host header" };
  }
  if (!named.every(isHostAndPort)) {
    return { status: 400, code: Code.InvalidArgument, message: "the request's Host header is not host:port" };
  }
  return rule === undefined || named.every(rule.allows)
    ? undefined
    : { status: 421, code: Code.PermissionDenied, message: rule.refusal };
}

/** True if a URL can have it between its scheme and its path. */
export function isHostAndPort(authority: string): boolean {
  return authority !== "" && URL.canParse(`http://${authority}`);
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
