import { edge } from "plugboard/edge";
import plugin from "./plugin.ts";

export default edge(plugin);
