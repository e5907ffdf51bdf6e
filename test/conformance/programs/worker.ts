/** The suite's service as a Worker. */
import { edge } from "plugboard/edge";
import plugin from "./plugin.ts";

/** What the program that starts it binds. */
interface Env extends Readonly<Record<string, unknown>> {
  /** Largest request message, in bytes; empty for the usual. */
  readonly MAX_MESSAGE_BYTES: string;
}

const without = Number.POSITIVE_INFINITY;

let app: ReturnType<typeof edge> | undefined;

export default {
  fetch(request: Request, env: Env, context: Parameters<ReturnType<typeof edge>["fetch"]>[2]) {
    const limit = Number(env.MAX_MESSAGE_BYTES);
    app ??= edge(plugin, {
      observers: [],
      // The suite asks for the protocols' own limits, and is told its timeouts as it has sent them.
      limits: { maxBodyBytes: without, maxDeadlineMs: without, ...(limit > 0 && { maxMessageBytes: limit }) },
    });
    return app.fetch(request, env, context);
  },
};
