/** Longest token that is looked at, in characters; what proxies and servers take in a header is not much more. */
const maxTokenLength = 8192;

/** True if a text can travel as a token: visible ASCII, so that it ends where it seems to, in every protocol. */
export function isToken(text: string): boolean {
  return text.length <= maxTokenLength && /^[\x21-\x7e]+$/.test(text);
}

/** The token in an `Authorization` of the scheme Bearer (RFC 6750), if there is one that can be read. */
export function bearerToken(authorization: string | null | undefined): string | undefined {
  const token = /^Bearer +([^ ]+)$/i.exec(authorization ?? "")?.[1];
  return token !== undefined && isToken(token) ? token : undefined;
}

/** True if an `Authorization` is of the scheme Bearer, with a readable token or without. */
export function isBearer(authorization: string | null | undefined): boolean {
  return /^Bearer(?: |$)/i.test(authorization ?? "");
}

/** The `Authorization` that carries a token. */
export function bearerAuthorization(token: string): string {
  return `Bearer ${token}`;
}
