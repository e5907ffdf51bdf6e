import { parentPort, workerData } from "node:worker_threads";
import { serveOn } from "plugboard";
import plugin from "./plugin.ts";

const { BEHAVIOUR_GRACE_MS } = process.env;

// The port from the thread that has started this one.
const served = await serveOn(plugin, workerData, {
  ...(BEHAVIOUR_GRACE_MS && { gracePeriodMs: Number(BEHAVIOUR_GRACE_MS) }),
});
// Whatever they say then tells it to stop.
parentPort?.once("message", () => void served.close());
