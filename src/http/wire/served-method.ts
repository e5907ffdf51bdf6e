import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression, UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import type { CallLimits } from "../../call/call-policy.ts";
import type { OwnOptions, ServiceTableEntry } from "../../plugin/service-table.ts";
import type { Codec, Format } from "./codec.ts";
import { createCodecs } from "./codec.ts";

/** A protocol, by the name of the option that switches it off for a service. */
export type WireProtocol = "connect" | "grpc" | "grpcWeb";

/** Options for all methods; each holds for a service unless that was registered with its own. */
export interface WireOptions {
  /** The protocols to serve. gRPC needs the trailers of HTTP, which not every platform has. */
  readonly protocols: readonly WireProtocol[];
  /** The compressions that are known, the preferred one first. */
  readonly acceptCompression: readonly Compression[];
  /** Responses and messages from so many bytes on are compressed, if the caller takes it. */
  readonly compressMinBytes: number;
  readonly jsonOptions: NonNullable<UniversalHandlerOptions["jsonOptions"]>;
  /** Ends all calls when it is aborted. */
  readonly shutdownSignal?: AbortSignal | undefined;
}

/** A method with all that serving it over HTTP takes. */
export interface ServedMethod {
  readonly desc: DescMethod;
  readonly entry: ServiceTableEntry;
  readonly codecs: Readonly<Record<Format, Codec>>;
  readonly connect: boolean;
  readonly grpc: boolean;
  readonly grpcWeb: boolean;
  /** True if Connect's GET may call it. */
  readonly get: boolean;
  readonly readMaxBytes: number;
  readonly maxTimeoutMs: number | undefined;
  readonly requireConnectProtocolHeader: boolean;
  readonly acceptCompression: readonly Compression[];
  readonly compressMinBytes: number;
  readonly shutdownSignal: AbortSignal | undefined;
}

/** Prepares a method to be served. */
export function serveMethod(entry: ServiceTableEntry, limits: CallLimits, options: WireOptions): ServedMethod {
  const { spec, options: own } = entry;
  const readMaxBytes = Math.min(limits.maxMessageBytes, own.readMaxBytes ?? Number.POSITIVE_INFINITY);
  const serves = (protocol: WireProtocol) => options.protocols.includes(protocol) && own[protocol] !== false;
  const connect = serves("connect");
  return {
    desc: spec.method,
    entry,
    codecs: createCodecs(spec.method, {
      jsonOptions: own.jsonOptions ?? options.jsonOptions,
      binaryOptions: own.binaryOptions,
      readMaxBytes,
      writeMaxBytes: own.writeMaxBytes ?? Number.POSITIVE_INFINITY,
    }),
    connect,
    grpc: serves("grpc"),
    grpcWeb: serves("grpcWeb"),
    get: connect && spec.kind === "unary" && spec.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    readMaxBytes,
    maxTimeoutMs: own.maxTimeoutMs,
    requireConnectProtocolHeader: own.requireConnectProtocolHeader ?? false,
    acceptCompression: own.acceptCompression ?? options.acceptCompression,
    compressMinBytes: own.compressMinBytes ?? options.compressMinBytes,
    shutdownSignal: own.shutdownSignal ?? options.shutdownSignal,
  };
}

/**
 * Checks the options that a service was registered with.
 * @param protocols Those that the server has.
 * @throws ConnectError as Connect's own router does
 */
export function checkOwnOptions(own: OwnOptions, protocols: readonly WireProtocol[]): void {
  if (protocols.every((protocol) => own[protocol] === false)) {
    throw new ConnectError("a service disables every protocol that this server has", Code.InvalidArgument);
  }
  for (const name of ["readMaxBytes", "writeMaxBytes"] as const) {
    const value = own[name];
    if (value !== undefined && !(value >= 1 && value <= 0xffffffff)) {
      throw new ConnectError(`${name} ${value} must be >= 1 and <= ${0xffffffff}`, Code.Internal);
    }
  }
}
