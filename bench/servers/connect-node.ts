import { createSecureServer, createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { tlsOptions } from "../contenders/identity.ts";
import { tellListening } from "./listening.ts";
import { identity, place } from "./place.ts";
import { routes } from "./routes.ts";

// By default, Node refuses streams once 10 MB wait.
const options = { maxSessionMemory: Number.MAX_SAFE_INTEGER };

const handle = connectNodeAdapter({ routes });
const server =
  identity === undefined
    ? createServer(options, handle)
    : createSecureServer({ ...options, ...tlsOptions(identity), allowHTTP1: false }, handle);
server.listen(place, tellListening);
