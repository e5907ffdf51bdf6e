// The types of every entry point.

import * as redis from "@plugboard/redis";
import { type Connection, connect, definePlugin, type Plugin } from "plugboard";
import { edge } from "plugboard/edge";
import { Host, serve } from "plugboard/node";
import * as telemetry from "plugboard/telemetry";

const plugin: Plugin = definePlugin({ name: "consumer", version: "1.0.0", routes() {} });
export const connection: Promise<Connection> = connect(plugin);
export const worker = edge(plugin);
export const host = new Host();
export const uses = [serve, telemetry, redis];
