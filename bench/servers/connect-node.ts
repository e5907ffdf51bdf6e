import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { socketPath, tellListening } from "./listening.ts";
import { routes } from "./routes.ts";

// By default, Node refuses streams once 10 MB wait.
const options = { maxSessionMemory: Number.MAX_SAFE_INTEGER };

createServer(options, connectNodeAdapter({ routes })).listen(socketPath, tellListening);
