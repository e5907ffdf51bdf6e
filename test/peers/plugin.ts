/** The behaviour plugin, for hosts that use the cookie of pyvider-rpcplugin's defaults. */
import { serve } from "plugboard/node";
import plugin from "../behaviour/plugin.ts";

await serve(plugin, { handshake: { cookie: { key: "PLUGIN_MAGIC_COOKIE", value: "test_cookie_value" } } });
