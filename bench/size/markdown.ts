// The Worker of wrangler.toml without WebSockets.
import { edge } from "plugboard/edge";
import plugin from "../../examples/markdown/plugin.ts";

export default edge(plugin);
