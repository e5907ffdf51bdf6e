// A worker thread that sends back what it is sent: Node's own MessagePort, which has no calls.
import { parentPort } from "node:worker_threads";

parentPort?.on("message", (message: unknown) => parentPort?.postMessage(message));
