import type { MiddlewareHandler } from "hono";
import { etag } from "hono/etag";

/**
 * Lets browsers and edge caches keep a manifest that was got by GET, and ask whether theirs is still good.
 * @param personal Whether it is for callers that are known, and so for their browsers' caches alone.
 * @param maxAgeSeconds How long it is good without asking. Default: 60.
 */
export function cacheableManifest(personal: boolean, maxAgeSeconds = 60): MiddlewareHandler {
  const tag = etag();
  return async (context, next) => {
    if (context.req.method !== "GET") {
      await next();
      return;
    }
    await tag(context, async () => {
      await next();
      if (context.res.status === 200) {
        // What was told to somebody who is known may not be for everybody.
        const audience = personal || context.req.header("Authorization") !== undefined ? "private" : "public";
        context.res.headers.set("Cache-Control", `${audience}, max-age=${maxAgeSeconds}`);
      }
    });
  };
}
