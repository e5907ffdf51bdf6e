import type { MessagePortLike } from "../ttrpc/carriers/message-port.ts";
import type { Address, CarrierTarget, ServiceBinding } from "./endpoint.ts";
import { addressError } from "./errors.ts";

/** An address that can be dialed, as opposed to one that a manifest merely mentions. */
export type DialableAddress = Exclude<Address, { readonly carrier: "elsewhere" | "memory" }>;

/** Anything that an address can be read from. */
export type AddressTarget = string | URL | ServiceBinding | MessagePortLike | CarrierTarget;

/** A manifest can name addresses, too, and reading one must not take long. */
const maxAddressLength = 2048;

/**
 * Reads an address: "https://host/base", "wss://host/base", "unix:/path", "tcp:host:port", a service binding, a message
 * port, or a carrier of one's own.
 * @throws PlugboardError PB-TARGET-UNSUPPORTED if it is none of them.
 */
export function parseAddress(target: AddressTarget): DialableAddress {
  if (typeof target === "object" && !(target instanceof URL)) {
    return readObject(target);
  }
  const text = String(target);
  if (text.length > maxAddressLength) {
    throw addressError("PB-TARGET-UNSUPPORTED", `the target has more than ${maxAddressLength} characters`);
  }
  const scheme = text.slice(0, text.indexOf(":")).toLowerCase();
  switch (scheme) {
    case "http":
    case "https":
    case "ws":
    case "wss":
      return parseUrl(text);
    case "unix":
      return parseUnix(text);
    case "tcp":
      return parseTcp(text);
    default:
      throw addressError("PB-TARGET-UNSUPPORTED", `${quote(text)} has no known scheme`);
  }
}

function readObject(target: ServiceBinding | MessagePortLike | CarrierTarget | null): DialableAddress {
  // First, as a service binding seems to have every other method, too.
  if (has(target, "fetch")) {
    return { carrier: "service-binding", text: "the service binding", binding: target };
  }
  if (has(target, "postMessage") && has(target, "addEventListener")) {
    return { carrier: "message-port", text: "the message port", port: target };
  }
  if (has(target, "open")) {
    return { carrier: "custom", text: String(target.name), open: () => target.open() };
  }
  throw addressError(
    "PB-TARGET-UNSUPPORTED",
    "the target is an object that is neither plugin nor service binding, message port or carrier",
  );
}

function has<T extends object | null, Name extends string>(
  target: T,
  name: Name,
): target is Extract<NonNullable<T>, Record<Name, unknown>> {
  return typeof (target as Record<string, unknown> | null)?.[name] === "function";
}

function parseUrl(text: string): DialableAddress {
  if (!URL.canParse(text)) {
    throw addressError("PB-TARGET-UNSUPPORTED", `${quote(text)} is not a URL`);
  }
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    // Neither quoted nor kept: it is a secret, and fetch refuses such URLs anyway.
    throw addressError("PB-TARGET-UNSUPPORTED", `the URL of ${url.host} carries a user name or password`, {
      hint: "Send credentials in a header, by an interceptor.",
    });
  }
  url.search = "";
  url.hash = "";
  const base = withoutLastSlashes(url.href);
  return { carrier: url.protocol.startsWith("ws") ? "websocket" : "http", text: base, url: base };
}

/** Without a pattern: the scan for those that backtrack finds this one safe by chance only. */
function withoutLastSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === "/") {
    end -= 1;
  }
  return text.slice(0, end);
}

function parseUnix(text: string): DialableAddress {
  const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
  if (path === "" || path.includes("\0")) {
    throw addressError("PB-TARGET-UNSUPPORTED", `${quote(text)} lacks the path of a socket`);
  }
  return { carrier: "unix", text: `unix:${path}`, path };
}

function parseTcp(text: string): DialableAddress {
  const match = /^tcp:(?:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535 || !URL.canParse(`http://${match?.[1] === undefined ? host : `[${host}]`}`)) {
    throw addressError("PB-TARGET-UNSUPPORTED", `${quote(text)} is not tcp:host:port`);
  }
  return { carrier: "tcp", text: `tcp:${host.includes(":") ? `[${host}]` : host}:${port}`, host, port };
}

/** A text that was meant to be an address, without all that could be a user name and password. */
export function withoutCredentials(text: string): string {
  return text.replace(/^([^:]*:(?:\/\/)?).*@/s, "$1...@");
}

function quote(text: string): string {
  return JSON.stringify(withoutCredentials(text));
}
