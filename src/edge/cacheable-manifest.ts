import type { MiddlewareHandler } from "hono";
import { etag } from "hono/etag";

/**
 * Lets browsers and edge caches keep a manifest that was got by GET, and ask whether theirs is still good.
 * @param maxAgeSeconds How long it is good without asking. Default: 60.
 */
export function cacheableManifest(maxAgeSeconds = 60): MiddlewareHandler {
  const tag = etag();
  return async (context, next) => {
    if (context.req.method !== "GET") {
      await next();
      return;
    }
    await tag(context, async () => {
      await next();
      if (context.res.status === 200) {
        context.res.headers.set("Cache-Control", `public, max-age=${maxAgeSeconds}`);
      }
    });
  };
}
