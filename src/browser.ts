/**
 * What "plugboard" is in a browser: the same, but that what a first unary call does without is loaded when it is used.
 * Apart from ./index.ts, as bundlers of Workers put all that may be loaded later into the one file that there is.
 * @module
 */

import type { Connect } from "./client/connect.ts";
import { createConnect } from "./client/connect.ts";
import { browserDialers } from "./client/dialers/browser.ts";

export * from "./index.ts";

/** As that of ./index.ts, in whose place it is. */
export const connect: Connect = /* @__PURE__ */ createConnect(browserDialers, async (plugin, options) => {
  const { startWithServices } = await import("./serving/start-with-services.ts");
  return startWithServices(plugin, options);
});
