import { createServer } from "node:net";
import { createServiceTable } from "../../src/plugin/service-table.ts";
import { socketCarrier } from "../../src/ttrpc/carriers/socket.ts";
import { ServerConnection } from "../../src/ttrpc/server-connection.ts";
import { socketPath, tellListening } from "./listening.ts";
import { routes } from "./routes.ts";

const options = { table: createServiceTable([routes]), maxMessageBytes: 4 * 1024 * 1024, maxConcurrentCalls: 1024 };

createServer((socket) => new ServerConnection(socketCarrier(socket), options)).listen(socketPath, tellListening);
