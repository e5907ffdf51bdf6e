import type { PlugboardError } from "../../base/errors.ts";
import { clientError, unreachableHint } from "../errors.ts";
import { methodKinds } from "./capability.ts";
import { formatRejections } from "./format-rejections.ts";
import type { Dialable, NegotiateInput, Offer, Routes } from "./negotiate.ts";
import { negotiate } from "./negotiate.ts";

/** True if no call of any kind can be made. */
export function leadNowhere(routes: Routes): boolean {
  return methodKinds.every((kind) => routes[kind].routes.length === 0);
}

/** The error for a negotiation that has given no route: each place with its reasons, and what to do about them. */
export function unreachable(input: NegotiateInput<Dialable>): PlugboardError {
  const reasons = formatRejections(negotiate(input).unary.rejected).map((line) => `\n- ${line}`);
  const hints = new Set(input.offers.map((offer) => hintFor(offer, input)));
  return clientError("PB-CONNECT-UNREACHABLE", `the plugin can't be reached${reasons.join("")}`, {
    hint: hints.size === 0 ? "Give connect() at least one target." : [...hints].join(" "),
  });
}

function hintFor(offer: Offer, input: NegotiateInput<Dialable>): string {
  if (offer.refused !== undefined) {
    // Browsers don't tell a page why a request failed.
    return input.runtime === "browser"
      ? `${unreachableHint} If they are, add the page's origin to the plugin's \`origins\`; its log names origins that it refuses.`
      : unreachableHint;
  }
  if (!leadNowhere(negotiate({ ...input, offers: [offer], requirements: {} }))) {
    return "Relax `require`, or let the plugin serve what it asks for.";
  }
  const { carrier } = offer.endpoint.address;
  const isDialed = input.dialers.some((dialer) => dialer.carrier === carrier);
  if (!isDialed && (carrier === "unix" || carrier === "tcp")) {
    return 'Import connect from "plugboard/node", which dials unix: and tcp: addresses, from Node alone.';
  }
  if (carrier === "service-binding") {
    return "Only a Worker can call a service binding: elsewhere, give connect() the plugin's URL.";
  }
  return "Let the plugin serve Connect or gRPC at an address that this connect() dials.";
}
