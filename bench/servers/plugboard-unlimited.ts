// The same plugin without the limits that growth would run into, on the Unix socket or the port that it is told.
import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";
import { identity, place } from "./place.ts";
import { routes } from "./routes.ts";

const plugin = definePlugin({ name: "echo", version: "1.0.0", routes });

await serve(plugin, {
  args: ["--listen", "path" in place ? `unix:${place.path}` : `tcp:${place.host}:${place.port}`],
  limits: { maxMessageBytes: 64 * 1024 * 1024, maxConcurrentStreams: 1_000_000 },
  ...(identity && { tls: { ...identity, clientRoots: identity.certificate } }),
});
