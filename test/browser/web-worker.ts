import { serveOn } from "plugboard";
import plugin from "../../examples/markdown/plugin.ts";

// The page hands over a port, and calls the plugin through the other one.
addEventListener("message", (event) => {
  const [port] = event.ports;
  if (port !== undefined) {
    void serveOn(plugin, port);
  }
});
