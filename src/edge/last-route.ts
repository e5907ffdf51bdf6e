import type { Env, Hono } from "hono";
import { PatternRouter } from "hono/router/pattern-router";

/** An array whose first element stays the last. */
class BeforeLast<T> extends Array<T> {
  override push(...items: T[]): number {
    this.splice(-1, 0, ...items);
    return this.length;
  }
}

/** Matches one route after the other, which is fast for few. */
class LastRouteRouter<T> {
  readonly name = "LastRouteRouter";
  readonly #routes = new BeforeLast<Parameters<PatternRouter<T>["add"]>>();
  #router: PatternRouter<T> | undefined;

  add(method: string, path: string, handler: T): void {
    this.#routes.push([method, path, handler]);
    this.#router = undefined;
  }

  match(method: string, path: string): ReturnType<PatternRouter<T>["match"]> {
    this.#router ??= this.#built();
    return this.#router.match(method, path);
  }

  #built(): PatternRouter<T> {
    const router = new PatternRouter<T>();
    for (const route of this.#routes) {
      router.add(...route);
    }
    return router;
  }
}

/**
 * Lets the first route of an app come last, whatever is added later: Hono runs what was registered first, and middleware that
 * comes behind a route that responds would never run. The same holds where the app is mounted in another.
 */
export function keepFirstRouteLast<E extends Env>(app: Hono<E>): void {
  app.router = new LastRouteRouter();
  app.routes = new BeforeLast();
}
