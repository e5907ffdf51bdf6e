// The markdown plugin on its standard input and output. Nothing else may be printed there.
import { serveOn } from "plugboard";
import plugin from "../markdown/plugin.ts";
import { stdioCarrier } from "./stdio-carrier.ts";

await serveOn(plugin, stdioCarrier(process.stdin, process.stdout));
