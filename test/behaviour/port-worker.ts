import { workerData } from "node:worker_threads";
import { serveOn } from "plugboard";
import plugin from "./plugin.ts";

// The port that whoever started this thread has handed over.
await serveOn(plugin, workerData);
