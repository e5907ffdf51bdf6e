import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";
import { socketPath } from "./listening.ts";
import { routes } from "./routes.ts";

const plugin = definePlugin({ name: "echo", version: "1.0.0", routes });

void serve(plugin, { args: ["--listen", `unix:${socketPath}`] });
