import { edge, webSockets } from "plugboard/edge";
import plugin from "./plugin.ts";

// The suite asks for more than everybody may, and looks at calls without a deadline.
export default edge(plugin, {
  limits: { maxBodyBytes: 5 * 1024 * 1024, maxDeadlineMs: Number.POSITIVE_INFINITY },
  webSockets,
});
