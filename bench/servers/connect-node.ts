import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { socketPath, tellListening } from "./listening.ts";
import { routes } from "./routes.ts";

createServer(connectNodeAdapter({ routes })).listen(socketPath, tellListening);
