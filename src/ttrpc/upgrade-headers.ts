import { connectionFields } from "../call/messages/connection-fields.ts";
import type { Peer } from "../call/peer.ts";
import type { KeyValue } from "../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { toHeaders } from "./wire/metadata.ts";

/** Of the call, never of the request that became the WebSocket: who calls, and what the call is part of. */
const ofTheCall = /^(?:authorization|x-request-id|traceparent|tracestate|baggage|b3|x-b3-.+)$/;

/** Concern the upgrade alone. The subprotocols may hold a token. */
// allowed backtracking: names that stand elsewhere, between both ends of a text.
const ofTheUpgrade = new RegExp(`^(?:${[...connectionFields, "content-length|sec-websocket-.+"].join("|")})$`);

/**
 * The headers that proxies, load balancers, CDNs and browsers set, and take from a request where they have nothing to
 * say. Where they did not set them on the WebSocket, no call has them: it does not pass through them.
 */
// allowed backtracking: names that stand here, between both ends of a text.
const ofInfrastructure = new RegExp(
  `^(?:${[
    // Which way a request has come.
    "forwarded|via|x-real-.+|x-forward.+|x-original-.+|x-client-.+|x-cluster-.+|(?:true-)?client-(?:ip|cert.*)|cdn-loop|x-proxy.+",
    // Who sends it, by a proxy that has asked for a login or a certificate.
    "remote-.+|x-remote-.+|x-auth.+|x-webauth-.+|x-ssl-.+|ssl-.+|x-tls-.+|x-jwt-.+|x-user.*|x-email|x-groups|oidc.+",
    "x-consumer-.+|x-credential-.+|x-anonymous-.+|x-pomerium-.+|x-vouch-.+|x-teleport-.+|teleport-.+|tailscale-.+",
    // Clouds and CDNs.
    "cf-.+|x-envoy-.+|fly-.+|x-amz.+|cloudfront-.+|x-goog-.+|x-cloud-.+|x-appengine-.+|x-azure-.+|x-ms-.+|x-arr-.+",
    "x-apigateway-.+|x-apigee-.+|x-vercel-.+|x-nf-.+|fastly-.+|akamai-.+|x-akamai-.+|x-sucuri-.+|incap-.+|do-connecting-ip",
    // What no page may say over HTTP (https://fetch.spec.whatwg.org/#forbidden-request-header).
    "host|origin|referer|cookie2?|sec-.+|proxy-.+|user-agent",
  ].join("|")})$`,
);

/** The fields of a request that became a WebSocket which count for each of its calls. */
export function upgradeFields(headers: Headers): ReadonlyMap<string, string> {
  return new Map([...headers].filter(([name]) => !ofTheCall.test(name) && !ofTheUpgrade.test(name)));
}

/**
 * The headers of a call: its metadata and, over a WebSocket, the fields of the upgrade request. Call metadata can't replace a
 * field of the upgrade request, or set a field that proxies set.
 */
export function callHeaders(metadata: readonly KeyValue[], { upgradeFields }: Peer = {}): Headers {
  if (upgradeFields === undefined) {
    return toHeaders(metadata);
  }
  const headers = toHeaders(metadata.filter(({ key }) => isOfCaller(key.toLowerCase(), upgradeFields)));
  for (const [name, value] of upgradeFields) {
    headers.append(name, value);
  }
  return headers;
}

function isOfCaller(name: string, upgradeFields: ReadonlyMap<string, string>): boolean {
  return !upgradeFields.has(name) && !ofInfrastructure.test(name);
}
