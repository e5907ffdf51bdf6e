import { edge, webSockets } from "plugboard/edge";
import plugin from "../examples/markdown/plugin.ts";

export default edge(plugin, { webSockets });
