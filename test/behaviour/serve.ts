import { serve } from "plugboard/node";
import plugin from "./plugin.ts";

const { BEHAVIOUR_GRACE_MS } = process.env;

// The suite asks for more than everybody may, and looks at calls without a deadline.
await serve(plugin, {
  limits: { maxBodyBytes: 5 * 1024 * 1024, maxDeadlineMs: Number.POSITIVE_INFINITY },
  ...(BEHAVIOUR_GRACE_MS && { gracePeriodMs: Number(BEHAVIOUR_GRACE_MS) }),
});
