import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";

/** The HTTP status with which a request that would become a WebSocket is refused. */
export function upgradeStatus({ code }: ConnectError): 401 | 403 | 429 | 500 | 503 {
  switch (code) {
    case Code.Unauthenticated:
      return 401;
    case Code.PermissionDenied:
      return 403;
    case Code.ResourceExhausted:
      return 429;
    case Code.Internal:
      return 500;
    default:
      return 503;
  }
}
