import { edge, webSockets } from "plugboard/edge";
import { refusingOptions } from "./options.ts";
import plugin from "./plugin.ts";

type Edge = ReturnType<typeof edge>;

let app: Edge | undefined;

/** The variables are known only with the first request. */
export default {
  fetch(request: Request, env: { readonly MOOD: string }, context: Parameters<Edge["fetch"]>[2]) {
    app ??= edge(plugin, { ...refusingOptions(env.MOOD), observers: [], webSockets });
    return app.fetch(request, env, context);
  },
};
