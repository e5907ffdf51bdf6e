import { Code, ConnectError } from "@connectrpc/connect";
import type { ServeOnOptions } from "plugboard";
import { memoryRateLimit } from "plugboard";

/** Tokens of callers that the plugin knows. */
export const tokens = { known: "known-0123456789abcdef", writer: "writer-0123456789abcdef" } as const;

/** The limits on its callers. */
export const limits = { maxMessageBytes: 64 * 1024, maxBodyBytes: 40 * 1024, maxHeaderBytes: 8 * 1024 } as const;

const callers = new Map([
  [tokens.known as string, { subject: "ann", scopes: [] as string[] }],
  [tokens.writer as string, { subject: "bob", scopes: ["notes.write"] }],
]);

/**
 * Options of the plugin whose refusals are looked at. Named "patient", it has no limits of time and any number of calls
 * may be refused; "brief", it has little patience.
 */
export function refusingOptions(
  mood: string | undefined,
): Pick<ServeOnOptions, "auth" | "rateLimit" | "limits" | "authFailureLimit" | "audit"> {
  const patient = mood === "patient";
  return {
    auth({ token, headers }) {
      switch (headers.get("x-auth")) {
        case "refuses":
          throw new ConnectError("banned until Monday", Code.PermissionDenied);
        case "fails":
          throw new Error("the database's password is swordfish");
        default:
          return callers.get(token ?? "");
      }
    },
    // Limited are those alone who name a bucket.
    rateLimit: memoryRateLimit({
      perSecond: 0.001,
      burst: 1,
      key: ({ requestHeader }) => requestHeader.get("x-bucket") ?? crypto.randomUUID(),
    }),
    authFailureLimit: patient ? false : { perSecond: 0.001, burst: 3 },
    audit: { write: () => undefined },
    limits: patient
      ? { ...limits, maxDeadlineMs: Number.POSITIVE_INFINITY, idleTimeoutMs: Number.POSITIVE_INFINITY }
      : { maxDeadlineMs: 2_500, idleTimeoutMs: 1_000 },
  };
}
