import { env } from "cloudflare:workers";
import { edge, webSockets } from "plugboard/edge";
import plugin from "./plugin.ts";

// What startAttackedWorker binds.
const { ATTACKED = "{}" } = env as { readonly ATTACKED?: string };

export default edge(plugin, { origins: ["https://app.example.com"], webSockets, ...JSON.parse(ATTACKED) });
