import type { Interceptor } from "@connectrpc/connect";
import type { DialableAddress } from "../address/address.ts";
import { isLoopback } from "../base/loopback.ts";
import { bearerAuthorization, isToken } from "../call/messages/bearer-token.ts";
import { clientError } from "./errors.ts";

/** A caller's token, for plugins with `auth`, or a function that is called for one with each call. */
export type Token = string | (() => string | Promise<string>);

/** Gives the token for a call. */
export type TokenSource = () => Promise<string>;

/**
 * Makes a source of what a caller has given as its token.
 * @throws PlugboardError PB-TOKEN-INVALID if it can't be a token; the source rejects with the same.
 */
export function createTokenSource(token: Token): TokenSource {
  if (typeof token === "string") {
    const checked = check(token);
    return async () => checked;
  }
  return async () => check(await token());
}

function check(token: unknown): string {
  if (typeof token !== "string" || !isToken(token)) {
    throw clientError("PB-TOKEN-INVALID", "the token is empty, too long, or has characters that no header can carry");
  }
  return token;
}

/**
 * Checks that no one on the way to an address could read a token. The endpoints that its manifest names are on the same
 * host, and no less encrypted.
 * @param tls True if TLS is spoken on sockets.
 * @throws PlugboardError PB-TOKEN-INSECURE
 */
export function checkMayTakeToken(address: DialableAddress, tls: boolean): void {
  if (!isPrivate(address, tls)) {
    throw clientError("PB-TOKEN-INSECURE", `the token would be sent to ${address.text} without encryption`);
  }
}

function isPrivate(address: DialableAddress, tls: boolean): boolean {
  if (address.carrier === "tcp") {
    return tls || isLoopback(address.host);
  }
  if (!("url" in address)) {
    // On this machine, in the platform, or on a carrier of the caller's own.
    return true;
  }
  const { protocol, hostname } = new URL(address.url);
  return protocol === "https:" || protocol === "wss:" || isLoopback(hostname);
}

/** Sends the token with each call, unless its caller has said otherwise. */
export function sendToken(source: TokenSource): Interceptor {
  return (next) => async (request) => {
    if (!request.header.has("Authorization")) {
      request.header.set("Authorization", bearerAuthorization(await source()));
    }
    return next(request);
  };
}
