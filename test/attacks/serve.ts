import { serve } from "plugboard/node";
import plugin from "./plugin.ts";

await serve(plugin, { origins: ["https://app.example.com"], ...JSON.parse(process.env.ATTACKED ?? "{}") });
