import { serve } from "plugboard/node";
import plugin from "../../examples/markdown/plugin.ts";

await serve(plugin, { origins: [process.env.PAGE_ORIGIN ?? ""] });
