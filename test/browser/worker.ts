import { health, reflection } from "plugboard";
import { debugPage, edge, webSockets } from "plugboard/edge";
import plugin from "./plugin.ts";

type Edge = ReturnType<typeof edge>;

let app: Edge | undefined;

/** The origin of the page is known only when the test runs. Without one there is the console page. */
export default {
  fetch(request: Request, env: { readonly PAGE_ORIGIN?: string }, context: Parameters<Edge["fetch"]>[2]) {
    app ??= edge(
      plugin,
      env.PAGE_ORIGIN === undefined
        ? { services: [health(), reflection(), debugPage()], revealErrors: true }
        : { origins: [env.PAGE_ORIGIN], webSockets },
    );
    return app.fetch(request, { ...env }, context);
  },
};
