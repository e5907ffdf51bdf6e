import { serve } from "plugboard/node";
import plugin from "../behaviour/plugin.ts";

await serve(plugin, { origins: [process.env.PAGE_ORIGIN ?? ""] });
