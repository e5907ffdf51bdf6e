import type { ProtocolHandlerFactory, UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { createHandlerFactory as createConnectFactory } from "@connectrpc/connect/protocol-connect";
import { createHandlerFactory as createGrpcFactory } from "@connectrpc/connect/protocol-grpc";
import { createHandlerFactory as createGrpcWebFactory } from "@connectrpc/connect/protocol-grpc-web";

/** A protocol that can be served over HTTP. One that is not imported stays out of a bundle. */
export interface HttpProtocol {
  /** Its name in the options of Connect's router. */
  readonly option: "connect" | "grpc" | "grpcWeb";
  readonly createFactory: (options: Partial<UniversalHandlerOptions>) => ProtocolHandlerFactory;
}

export const connectProtocol: HttpProtocol = { option: "connect", createFactory: createConnectFactory };

/** Needs the trailers of HTTP/2. */
export const grpcProtocol: HttpProtocol = { option: "grpc", createFactory: createGrpcFactory };

export const grpcWebProtocol: HttpProtocol = { option: "grpcWeb", createFactory: createGrpcWebFactory };
