import * as net from "node:net";
import { isLoopback } from "../base/loopback.ts";
import { checkOptions } from "../plugin/check-options.ts";
import { nodeHttpError } from "./http/errors.ts";

/** A reverse proxy in front of a plugin, which ends TLS for it. */
export interface ProxyOptions {
  /**
   * The proxy's addresses and networks, such as "10.0.0.7" and "10.1.0.0/16". Connections from others are not served,
   * but for those from this machine.
   */
  readonly from: readonly string[];
  /**
   * The header to which it adds the address that a request has come from; it has to write it itself, or to add to it.
   * Default: "X-Forwarded-For".
   */
  readonly header?: "X-Forwarded-For" | "Forwarded";
}

/** A trusted proxy, ready for use. */
export interface TrustedProxy {
  /** True if a connection of that address may be served. */
  accepts(address: string | undefined): boolean;
  /**
   * The address that a request has come from.
   * @param address Of the other end of the connection: what its headers say counts only if that is the proxy.
   */
  clientOf(address: string, headers: Readonly<Record<string, string | string[] | undefined>>): string;
}

/** @throws PlugboardError PB-PROXY-INVALID, PB-OPTION-UNKNOWN */
export function trustProxy(options: ProxyOptions): TrustedProxy {
  checkOptions<ProxyOptions>("behindProxy", options, { from: true, header: true });
  const { from, header = "X-Forwarded-For" } = options;
  const proxies = new net.BlockList();
  if (from.length === 0) {
    throw nodeHttpError("PB-PROXY-INVALID", "behindProxy.from is empty");
  }
  for (const each of from) {
    const [address = "", bits, ...more] = each.split("/");
    const family = net.isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d+$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || !(prefix <= most) || more.length > 0) {
      throw nodeHttpError(
        "PB-PROXY-INVALID",
        `behindProxy.from has "${each}", which is neither an address nor a network`,
      );
    }
    proxies.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  }
  const isProxy = (address: string) => proxies.check(address, net.isIPv6(address) ? "ipv6" : "ipv4");
  const hops = header === "Forwarded" ? forwardedHops : forwardedForHops;

  return {
    accepts: (address) => address !== undefined && (isProxy(address) || isLoopback(address.replace(/^::ffff:/i, ""))),
    clientOf(address, headers) {
      // Not even read otherwise: it is whatever the caller likes.
      if (!isProxy(address)) {
        return address;
      }
      let client = address;
      // What is before the addresses of proxies, a caller can have made up.
      for (const hop of hops(String(headers[header.toLowerCase()] ?? ""))) {
        const named = addressIn(hop);
        if (named === undefined) {
          break;
        }
        client = named;
        if (!isProxy(client)) {
          break;
        }
      }
      return client;
    },
  };
}

/** The hops that X-Forwarded-For names, the last first. */
function* forwardedForHops(value: string): Generator<string> {
  let end = value.length;
  while (end > 0) {
    const comma = value.lastIndexOf(",", end - 1);
    yield value.slice(comma + 1, end).trim();
    end = comma;
  }
}

/**
 * A parameter of Forwarded, or none, and what ends it. Proxies leave out the quotes that ports and IPv6 need; none of these
 * characters can end a value.
 */
const forwardedParameter =
  /(?:([\w!#$%&'*+.^`|~-]+)=(?:([\w!#$%&'*+.^`|~:[\]-]+)|"((?:[^"\\]|\\.)*)"))?[ \t]*([;,]|$)[ \t]*/y;

/**
 * The hops that Forwarded names (RFC 7239, section 4), the last first; "" for an element that names none. Nothing at
 * all if the value is not well-formed: what a caller has begun could go on into what the proxy has added.
 */
function forwardedHops(header: string): readonly string[] {
  const value = header.trim();
  const hops: string[] = [];
  let element: string | undefined;
  forwardedParameter.lastIndex = 0;
  for (let separator: string | undefined = ","; separator !== ""; ) {
    const found = forwardedParameter.exec(value);
    if (found === null) {
      return [];
    }
    const [, name, token, quoted] = found;
    separator = found[4];
    if (name !== undefined) {
      element ??= "";
    }
    if (name?.toLowerCase() === "for") {
      if (element) {
        return [];
      }
      element = token ?? quoted?.replaceAll(/\\(.)/g, "$1") ?? "";
    }
    if (separator !== ";" && element !== undefined) {
      hops.push(element);
      element = undefined;
    }
  }
  return hops.reverse();
}

/** With or without a port; IPv6 with a port is in brackets. */
function addressIn(text: string): string | undefined {
  const address = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  return net.isIP(address) === 0 ? undefined : address;
}
