import type * as http from "node:http";
import type { Address } from "../../address/endpoint.ts";
import type { DialOptions } from "../../client/dialers/dialer.ts";
import { clientError } from "../../client/errors.ts";
import { strangerAt } from "../own-place.ts";

/**
 * Keeps a token from a Unix socket that another user has put where the plugin's was to be. To be called right before a
 * connection is opened; who has accepted one stays the same.
 * @throws PlugboardError PB-TOKEN-INSECURE
 */
export function guardToken(address: Address, { token }: Pick<DialOptions, "token">): void {
  if (token !== undefined && address.carrier === "unix") {
    checkOwner(address.path);
  }
}

/** Has an agent do so before it opens a connection. */
export function guardAgent(agent: http.Agent, address: Address, options: DialOptions): void {
  const createConnection = agent.createConnection.bind(agent);
  agent.createConnection = (request, callback) => {
    try {
      guardToken(address, options);
    } catch (error) {
      // Its types want a stream even where there is none.
      (callback as ((error: unknown) => void) | undefined)?.(error);
      return undefined;
    }
    return createConnection(request, callback);
  };
}

/** @throws PlugboardError PB-TOKEN-INSECURE */
export function checkOwner(socket: string): void {
  const stranger = strangerAt(socket);
  if (stranger !== undefined) {
    throw clientError(
      "PB-TOKEN-INSECURE",
      `the token would be sent to unix:${socket}, a socket of another user (${stranger}) in a directory that others can write to`,
      {
        hint:
          "Let the plugin listen in a directory that, like all above it, belongs to its user or root and that only they can write " +
          "to, such as $XDG_RUNTIME_DIR or /run/NAME; not in /tmp.",
      },
    );
  }
}
