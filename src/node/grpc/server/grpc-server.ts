import type * as http2 from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Peer } from "../../../call/peer.ts";
import { requestIdFor, requestIdHeader } from "../../../call/request-id.ts";
import { isHostAndPort, refuseHost } from "../../../http/hosts.ts";
import { securityHeaders } from "../../../http/response-headers.ts";
import type { ServiceTableEntry } from "../../../plugin/service-table.ts";
import { peerOf } from "../../conninfo.ts";
import type { HttpServerOptions } from "../../listen/protocol-server.ts";
import { GrpcServerCall } from "./server-call.ts";

/** Options for serving gRPC. */
export interface GrpcServerOptions extends Pick<HttpServerOptions, "table" | "policy" | "hsts" | "hosts" | "proxy"> {
  /** Ends all calls when it is aborted, with its reason. */
  readonly shutdownSignal: AbortSignal;
  /** The compressions that responses may have. */
  readonly compressions: readonly Compression[];
  /** Is given what may run on when its call has ended: a handler. */
  readonly waitUntil: (running: Promise<unknown>) => void;
}

/**
 * Handles a request as a call of gRPC.
 * @returns False if it is none, or has something that is rare: nothing was done with it then, and http/wire serves it.
 */
export type HandleGrpc = (stream: http2.ServerHttp2Stream, fields: http2.IncomingHttpHeaders) => boolean;

/** Binary messages: any other form is rare. */
const contentTypes: ReadonlySet<unknown> = new Set(["application/grpc", "application/grpc+proto"]);

/** Serves gRPC straight on the streams of HTTP/2, as most of it comes: binary, and not compressed. */
export function createGrpcServer(options: GrpcServerOptions): HandleGrpc {
  const { table, policy, shutdownSignal, hsts, hosts, proxy, compressions, waitUntil } = options;
  const calls = new Set<GrpcServerCall>();
  const [always, id] = headOf(hsts);
  const peers = new WeakMap<http2.Http2Session, Peer>();
  shutdownSignal.addEventListener("abort", () => {
    for (const call of calls) {
      call.shutDown(shutdownSignal.reason as ConnectError);
    }
  });

  return (stream, fields) => {
    const { session } = stream;
    if (session === undefined || stream.destroyed || !isPlain(fields) || shutdownSignal.aborted) {
      return false;
    }
    const { ":authority": authority = "", ":path": path = "" } = fields;
    const entry = table.find(path);
    if (entry === undefined || !isPlainEntry(entry)) {
      return false;
    }
    if (refuseHost({ authority: fields[":authority"], fields: [] }, true, hosts) !== undefined) {
      return false;
    }
    const requestId = requestIdFor(textOf(fields["x-request-id"]));
    const host = isHostAndPort(authority) ? authority : "localhost";
    const call = new GrpcServerCall({
      stream,
      fields,
      entry,
      policy,
      peer: peerFor(session, fields),
      requestId,
      url: `${hsts === undefined ? "http" : "https"}://${host}${path}`,
      head: { ...always, [id]: requestId },
      compressions,
      waitUntil,
      onEnd: () => calls.delete(call),
    });
    calls.add(call);
    call.start();
    return true;
  };

  function peerFor(session: http2.Http2Session, fields: http2.IncomingHttpHeaders): Peer {
    let peer = peers.get(session);
    if (peer === undefined) {
      peer = peerOf(session.socket);
      peers.set(session, peer);
    }
    return proxy === undefined || peer.address === undefined ? peer : { address: proxy.clientOf(peer.address, fields) };
  }
}

/** The header fields of every response, and the name of the one with the request's id. */
function headOf(hsts: string | undefined): readonly [http2.OutgoingHttpHeaders, string] {
  const id = requestIdHeader.toLowerCase();
  const fields = securityHeaders("", hsts).map(([name, value]) => [name.toLowerCase(), value]);
  return [{ ...Object.fromEntries(fields), ":status": 200, "content-type": "application/grpc+proto" }, id];
}

function isPlain(fields: http2.IncomingHttpHeaders): boolean {
  const { "grpc-encoding": encoding } = fields;
  return (
    contentTypes.has(fields["content-type"]) &&
    fields[":method"] === "POST" &&
    (encoding === undefined || encoding === "identity") &&
    fields["host"] === undefined &&
    fields["origin"] === undefined &&
    fields["expect"] === undefined
  );
}

/** What else a service was registered with, such as limits of its own, is for http/wire. */
function isPlainEntry({ options }: ServiceTableEntry): boolean {
  return Object.keys(options).every((name) => name === "interceptors");
}

function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
