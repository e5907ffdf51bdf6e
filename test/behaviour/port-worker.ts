import { parentPort, workerData } from "node:worker_threads";
import { serveOn } from "plugboard";
import plugin from "./plugin.ts";

const { BEHAVIOUR_GRACE_MS } = process.env;

// The port that whoever started this thread has handed over.
const served = await serveOn(plugin, workerData, {
  ...(BEHAVIOUR_GRACE_MS && { gracePeriodMs: Number(BEHAVIOUR_GRACE_MS) }),
});
// Whatever they say then tells it to stop.
parentPort?.once("message", () => void served.close());
