import { edge, webSockets } from "plugboard/edge";
import plugin from "../behaviour/plugin.ts";

type Edge = ReturnType<typeof edge>;

let app: Edge | undefined;

/** The origin of the page is known only when the test runs. */
export default {
  fetch(request: Request, env: { readonly PAGE_ORIGIN: string }, context: Parameters<Edge["fetch"]>[2]) {
    app ??= edge(plugin, { origins: [env.PAGE_ORIGIN], webSockets });
    return app.fetch(request, { ...env }, context);
  },
};
