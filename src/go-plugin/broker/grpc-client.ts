import type { Duplex } from "node:stream";
import { endpointAt } from "../../address/endpoint.ts";
import { untilAborted } from "../../base/async/until-aborted.ts";
import type { PlugboardError } from "../../base/errors.ts";
import { localKeepalive } from "../../call/time/keepalive.ts";
import { createConnection } from "../../client/connection.ts";
import type { Dialer } from "../../client/dialers/dialer.ts";
import { createTransportPool } from "../../client/dialers/transport-pool.ts";
import { negotiate } from "../../client/routes/negotiate.ts";
import { createGrpcTransport } from "../../node/dial/grpc/transport.ts";
import { createHttp2Connection } from "../../node/dial/http2-connection.ts";
import type { BrokeredClient } from "../../plugin/broker.ts";
import { brokerError } from "./errors.ts";

/** Options for calls over gRPC. */
export interface GrpcClientOptions {
  /** The server, as a person would name it. */
  readonly name: string;
  /** Opens a connection; again, if that is lost. */
  readonly open: () => Promise<Duplex>;
  /** Largest response message, in bytes. */
  readonly maxMessageBytes: number;
  /** Puts TLS on a connection, as its client. */
  readonly secure?: ((connection: Duplex) => Promise<Duplex>) | undefined;
  /** Milliseconds that the first connection may take until its first frame, once it is open. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Connects, and is then ready for calls.
 * @throws PlugboardError PB-DIAL-FAILED, PB-BROKER-TIMEOUT; what `open` throws, if that is a PlugboardError
 */
export async function createGrpcClient(options: GrpcClientOptions): Promise<BrokeredClient> {
  const { name: text, open, maxMessageBytes, secure, timeoutMs, signal } = options;
  const baseUrl = secure === undefined ? "http://localhost" : "https://localhost";
  const timeout = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const connection = createHttp2Connection({
    baseUrl,
    opener: async () => {
      const carrier = await open();
      // Later on it is the deadlines of the calls that matter.
      timer ??= setTimeout(() => timeout.abort(tooLate(text, timeoutMs)), timeoutMs);
      return secure === undefined ? carrier : await secureOrDestroy(carrier, secure);
    },
    address: { text },
    // A process on this machine, whose end is told.
    keepalive: localKeepalive,
  });
  try {
    await untilAborted(AbortSignal.any([signal, timeout.signal]), connection.open());
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const { transport, end } = createGrpcTransport({ connection, address: { text }, maxMessageBytes });
  const dialer: Dialer = {
    protocol: "grpc",
    // Whatever the broker's connection is made of, it can do what a socket can.
    carrier: "unix",
    httpVersion: "2",
    dial: () => ({
      transport,
      close(reason) {
        end(reason);
        connection.close();
      },
    }),
  };
  const encrypted = secure !== undefined;
  const endpoint = endpointAt("grpc", { carrier: "unix", text, path: text }, { encrypted });
  return createConnection({
    routes: negotiate({ runtime: "node", dialers: [dialer], offers: [{ endpoint }], tls: encrypted }),
    pool: createTransportPool({ maxMessageBytes }),
    manifest: undefined,
    // There is no other; but calls that a server refuses when it ends its connection are made again, on another.
    fallback: false,
    interceptors: [],
    timeoutMs: undefined,
    onClose: async () => undefined,
  });
}

async function secureOrDestroy(carrier: Duplex, secure: (carrier: Duplex) => Promise<Duplex>): Promise<Duplex> {
  try {
    return await secure(carrier);
  } catch (error) {
    carrier.destroy();
    throw error;
  }
}

function tooLate(text: string, timeoutMs: number): PlugboardError {
  return brokerError("PB-BROKER-TIMEOUT", `${text} did not respond over HTTP/2 within ${timeoutMs} ms`);
}
