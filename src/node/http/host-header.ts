import type * as http from "node:http";
import type * as http2 from "node:http2";
import { Code } from "@connectrpc/connect";
import { isLoopback } from "../../base/loopback.ts";
import type { RequestRefusal } from "../../call/refuse-request.ts";
import type { HostRule } from "../../policy/hosts.ts";
import { otherHost } from "../../policy/hosts.ts";

/**
 * Checks the host that a request is for: `Host`, or `:authority` in HTTP/2. With `onlyLoopback` it has to be a name of
 * this machine: a web page can make its own name lead here (DNS rebinding), but then it is that name that requests carry.
 * Elsewhere an authority may be anything: clients built on gRPC's core send the percent-encoded path of a Unix socket.
 * @param allowsHost Says which hosts are meant, instead.
 */
export function refuseHost(
  request: http.IncomingMessage | http2.Http2ServerRequest,
  onlyLoopback: boolean,
  allowsHost?: HostRule,
): RequestRefusal | undefined {
  const isHttp2 = "stream" in request;
  const named = [isHttp2 ? request.authority : undefined, request.headers.host].filter((each) => each !== undefined);
  // Node reads the first; others on the way might have read another (RFC 9112, section 3.2).
  if (request.rawHeaders.filter((each, index) => index % 2 === 0 && each.toLowerCase() === "host").length > 1) {
    return { status: 400, code: Code.InvalidArgument, message: "the request has more than one Host header" };
  }
  if (isHttp2 && !onlyLoopback && allowsHost === undefined) {
    return undefined;
  }
  if (named.length === 0) {
    return { status: 400, code: Code.InvalidArgument, message: "the request has no Host header" };
  }
  if (!named.every(isHostAndPort)) {
    return { status: 400, code: Code.InvalidArgument, message: "the request's Host header is not host:port" };
  }
  if (allowsHost !== undefined) {
    return named.every(allowsHost) ? undefined : { status: 421, code: Code.PermissionDenied, message: otherHost };
  }
  if (onlyLoopback && !named.every(isLoopbackAuthority)) {
    const message = "only requests for localhost, 127.0.0.1 and [::1] are answered here";
    return { status: 421, code: Code.PermissionDenied, message };
  }
  return undefined;
}

/** Lets a request whose authority can't be part of a URL have one for its handler. */
export function ensureHost(request: http.IncomingMessage | http2.Http2ServerRequest): void {
  if ("stream" in request && !isHostAndPort(request.authority)) {
    // Of the request's class, which reads it from the headers.
    Object.defineProperty(request, "authority", { value: "localhost" });
  }
}

function isHostAndPort(authority: string | undefined): boolean {
  return authority !== undefined && authority !== "" && URL.canParse(`http://${authority}`);
}

function isLoopbackAuthority(authority: string): boolean {
  const match = /^(?:\[([^[\]]*)\]|([^:]*))(?::\d*)?$/.exec(authority);
  return isLoopback((match?.[1] ?? match?.[2] ?? "").toLowerCase());
}
