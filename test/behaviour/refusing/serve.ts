import { serve } from "plugboard/node";
import { refusingOptions } from "./options.ts";
import plugin from "./plugin.ts";

await serve(plugin, refusingOptions(process.env.MOOD));
