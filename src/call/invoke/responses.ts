import type { DescMethod } from "@bufbuild/protobuf";
import type { AnyMessage } from "./handler-output.ts";
import { outputOf } from "./handler-output.ts";

const done = { done: true, value: undefined } as const;

/** Begins a handler. */
type Begin = () => AsyncIterable<unknown>;

/**
 * What a streaming handler gives, as messages of its method's type, as a generator with a `for await` loop in it would have
 * them: that takes half as long again for each message. The handler begins with the first `next`, and is left by `return`.
 */
export class Responses implements AsyncIterableIterator<AnyMessage> {
  readonly #method: DescMethod;
  readonly #ready: () => Begin | Promise<Begin>;
  #given: AsyncIterator<unknown> | undefined;
  /** The first `next`, until it has settled. */
  #beginning: Promise<unknown> | undefined;
  #ended = false;

  /** @param ready What begins the handler; a promise if that has to wait for something. */
  constructor(method: DescMethod, ready: () => Begin | Promise<Begin>) {
    this.#method = method;
    this.#ready = ready;
  }

  next(): Promise<IteratorResult<AnyMessage>> {
    if (this.#ended) {
      return Promise.resolve(done);
    }
    if (this.#given === undefined && this.#beginning !== undefined) {
      const again = () => this.next();
      return this.#beginning.then(again, again);
    }
    if (this.#given === undefined) {
      const first = this.#first();
      this.#beginning = first;
      return first;
    }
    try {
      return Promise.resolve(this.#given.next()).then(this.#take, this.#fail);
    } catch (error) {
      this.#ended = true;
      return Promise.reject(error);
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    if (this.#given === undefined && this.#beginning !== undefined) {
      // The handler is about to begin; it ends with its first message.
      await this.#beginning.catch(() => undefined);
    }
    if (!this.#ended) {
      this.#ended = true;
      await this.#given?.return?.();
    }
    return done;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #first(): Promise<IteratorResult<AnyMessage>> {
    try {
      const ready = this.#ready();
      const begin = typeof ready === "function" ? ready : await ready;
      // All at once, so that a call that ends meanwhile finds a handler that listens to it, or none.
      this.#given = iterate(begin());
      return this.#take(await this.#given.next());
    } catch (error) {
      return this.#fail(error);
    }
  }

  readonly #take = (result: IteratorResult<unknown>): IteratorResult<AnyMessage> | Promise<never> => {
    if (result.done === true) {
      this.#ended = true;
      return done;
    }
    try {
      return { done: false, value: outputOf(this.#method, result.value) };
    } catch (error) {
      return this.#leave(error);
    }
  };

  readonly #fail = (error: unknown): never => {
    this.#ended = true;
    throw error;
  };

  /** What the handler gave is no message: it goes no further. */
  async #leave(error: unknown): Promise<never> {
    this.#ended = true;
    try {
      await this.#given?.return?.();
    } catch {
      // allowed empty-catch: what was wrong first, counts.
    }
    throw error;
  }
}

/** As `for await` has it, which takes what is not asynchronous, too. */
function iterate(given: AsyncIterable<unknown>): AsyncIterator<unknown> {
  return given[Symbol.asyncIterator]?.() ?? each(given);
}

async function* each(given: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  yield* given;
}
