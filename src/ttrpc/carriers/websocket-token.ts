import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { bearerAuthorization } from "../../call/messages/bearer-token.ts";

/** A page can't give a WebSocket headers, so its token is offered as a subprotocol, which the server never echoes. */
const prefix = "bearer.";

/** The subprotocol that carries a token. */
export function tokenProtocol(token: string): string {
  return prefix + base64Encode(new TextEncoder().encode(token), "url");
}

/**
 * The `Authorization` of a request that is to become a WebSocket: the token among the subprotocols, else the header. Not the
 * header first, as browsers put into it what they have kept of another login.
 */
export function upgradeAuthorization(
  protocols: readonly string[],
  header: string | null | undefined,
): string | undefined {
  const tokens = protocols.filter((each) => each.startsWith(prefix));
  const [offered] = tokens;
  if (offered === undefined) {
    return header ?? undefined;
  }
  // A token that can't be read is still an attempt to authenticate, and refused as such.
  const token = tokens.length === 1 ? decode(offered.slice(prefix.length)) : "";
  return bearerAuthorization(token);
}

function decode(text: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(base64Decode(text));
  } catch {
    return "";
  }
}
