import { Code } from "@connectrpc/connect";
import type { CallObserver } from "plugboard";

/** An observer's record of a call. */
export interface Observed {
  readonly method: string;
  readonly protocol: string;
  /** The name that the call's caller has given it, by the header x-case. */
  readonly name: string;
  /** Ends that it was told of. */
  ends: number;
  /** Pieces of the handler that have run in it. */
  runs: number;
  /** The code that it has ended with. */
  code?: string;
  requestBytes?: number | undefined;
  responseBytes?: number | undefined;
}

/** An observer that writes down what it hears. */
export function recordingObserver(): { readonly observer: CallObserver; readonly calls: Observed[] } {
  const calls: Observed[] = [];
  return {
    calls,
    observer: {
      begin({ method, protocolName, requestHeader }) {
        const name = requestHeader.get("x-case") ?? "";
        const call: Observed = { method: method.name, protocol: protocolName, name, ends: 0, runs: 0 };
        calls.push(call);
        return {
          run(piece) {
            call.runs += 1;
            return piece();
          },
          end({ error, requestBytes, responseBytes }) {
            call.ends += 1;
            call.code = error === undefined ? "ok" : Code[error.code];
            call.requestBytes = requestBytes;
            call.responseBytes = responseBytes;
          },
        };
      },
    },
  };
}
