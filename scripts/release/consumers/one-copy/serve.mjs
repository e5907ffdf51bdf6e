import { serve } from "plugboard/node";
import plugin from "./plugin.mjs";

await serve(plugin);
