import type { Transport } from "@connectrpc/connect";
import type { Dialed, Dialer } from "../client/dialer.ts";
import { PlugboardError } from "../plugin/errors.ts";
import { strangerAt } from "./own-place.ts";

/** Keeps a token from a Unix socket that another user has put where the plugin's was to be; looked at for each call. */
export function guardToken(dialer: Dialer): Dialer {
  if (dialer.carrier !== "unix") {
    return dialer;
  }
  return {
    ...dialer,
    dial(address, options): Dialed {
      const dialed = dialer.dial(address, options);
      if (options.token === undefined || address.carrier !== "unix") {
        return dialed;
      }
      const { path } = address;
      return {
        transport: guarded(dialed.transport, path),
        ...(dialed.knowing && { knowing: (endpoint) => guarded(dialed.knowing?.(endpoint) ?? dialed.transport, path) }),
        close: (reason) => dialed.close(reason),
      };
    },
  };
}

function guarded(transport: Transport, socket: string): Transport {
  return {
    async unary(...call) {
      checkOwner(socket);
      return await transport.unary(...call);
    },
    async stream(...call) {
      checkOwner(socket);
      return await transport.stream(...call);
    },
  };
}

/** @throws PlugboardError PB-TOKEN-INSECURE */
export function checkOwner(socket: string): void {
  const stranger = strangerAt(socket);
  if (stranger !== undefined) {
    throw new PlugboardError(
      "PB-TOKEN-INSECURE",
      `a token would go to unix:${socket}, a socket of another user (${stranger}) in a directory where others may put some`,
      {
        hint: "Have the plugin listen in a directory that only its user may write to, as $XDG_RUNTIME_DIR or /run/NAME.",
      },
    );
  }
}
