import type { Interceptor } from "@connectrpc/connect";

const name = "Grpc-Timeout";

/**
 * Writes a timeout of more than 27 hours in seconds: gRPC allows a number of eight digits, and Connect's transports write
 * milliseconds, however many there are.
 */
export const fitGrpcTimeout: Interceptor = (next) => (request) => {
  const [, milliseconds] = /^(\d{9,})m$/.exec(request.header.get(name) ?? "") ?? [];
  if (milliseconds !== undefined) {
    request.header.set(name, `${Math.ceil(Number(milliseconds) / 1000)}S`);
  }
  return next(request);
};
