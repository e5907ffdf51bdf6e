import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { isPlugboardError } from "plugboard";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

/** What is attacked with generated inputs. */
interface Target<Input> {
  /** What comes in. */
  readonly input: fc.Arbitrary<Input>;
  /** Takes one input, and throws if it does harm. Whatever it needs is there already. */
  attempt(input: Input): Promise<unknown> | unknown;
  /** Shows that what was attacked still works. Runs after each input. */
  probe?(): Promise<unknown>;
  /** This target's part of all inputs, beside the others. Default: 1. */
  readonly share?: number;
  /** A number of inputs instead, however long they take. */
  readonly inputs?: number;
}

const { FUZZ_INPUTS, FUZZ_SEED, FUZZ_PATH } = process.env;

/** True for a long run, as by `npm run fuzz`. */
export const isLong = FUZZ_INPUTS !== undefined;

/** Inputs in a share. */
const inputsPerShare = Math.ceil(Number(FUZZ_INPUTS ?? 5_000) / 100);
/** Milliseconds for a target in a short run: the next run may get to the rest. */
const shortMs = 4_000;
/** Milliseconds for one input, its probe included. Nothing waits for ever. */
const inputMs = 20_000;
/** Characters of a harmful input that are reported. */
const maxReport = 8_000;
/** Bytes that a target may hold once all is over. */
const maxHeldBytes = 64 * 1024 * 1024;

/** Errors that no one has caught. */
const uncaught: unknown[] = [];
process.on("uncaughtException", (error) => uncaught.push(error));
process.on("unhandledRejection", (error) => uncaught.push(error));

/**
 * A test that attacks with generated inputs. A finding is shrunk, and told with the seed and the path that lead to it:
 * FUZZ_SEED and FUZZ_PATH replay it.
 */
export function fuzz<Input>(name: string, open: () => Promise<Target<Input> & Partial<AsyncDisposable>>): void {
  test(name, { timeout: 24 * 60 * 60 * 1000 }, async () => {
    await using target = { [Symbol.asyncDispose]: async () => {}, ...(await open()) };
    const { input, attempt, probe, share = 1, inputs } = target;
    await probe?.();
    let runs = 0;
    let held: number | undefined;
    const property = fc.asyncProperty(input, async (given) => {
      await within(inputMs, async () => {
        await attempt(given);
        await probe?.();
      });
      // Rejections that no one has caught are told in a turn of their own.
      await new Promise((resolve) => setImmediate(resolve));
      if (uncaught.length > 0) {
        throw new Error("something was thrown where no one catches it", { cause: uncaught.splice(0)[0] });
      }
      runs += 1;
      if (runs === 50) {
        held = heldBytes();
      }
    });
    const details = await fc.check(property, {
      numRuns: inputs ?? inputsPerShare * share,
      ...(FUZZ_SEED !== undefined && { seed: Number(FUZZ_SEED) }),
      ...(FUZZ_PATH !== undefined && { path: FUZZ_PATH }),
      ...(!isLong && inputs === undefined && { interruptAfterTimeLimit: shortMs, markInterruptAsFailure: false }),
    });
    if (isLong) {
      process.stdout.write(`${name}: ${details.numRuns} inputs, seed ${details.seed}\n`);
    }
    // A machine that is too busy for the first input within the time has found nothing.
    if (details.failed && details.counterexample !== null) {
      const replay = `FUZZ_SEED=${details.seed} FUZZ_PATH=${details.counterexamplePath} npm run fuzz -- -t "${name}"`;
      const report = fc.defaultReportMessage(details) ?? "";
      throw new Error(`${report.slice(0, maxReport)}\nReplay it by: ${replay}`, { cause: details.errorInstance });
    }
    const before = held;
    if (before !== undefined) {
      // What a connection has held is free some time after it was closed.
      const check = () => expect(heldBytes() - before).toBeLessThan(maxHeldBytes);
      await vi.waitFor(check, { timeout: 20_000, interval: 500 });
    }
  });
}

/** Discards what the tests of a file log. A spy would keep it: hundreds of megabytes in a long run. */
export function discardLog(): void {
  const { error } = console;
  const { write } = process.stderr;
  beforeAll(() => {
    console.error = () => undefined;
    process.stderr.write = () => true;
  });
  afterAll(() => {
    console.error = error;
    process.stderr.write = write;
  });
}

/** Takes only what says by a code what is wrong, and never what a program stumbles over. */
export function checkCoded(error: unknown): void {
  if (!isPlugboardError(error) && !(error instanceof ConnectError)) {
    throw new Error("it fails with what has no code", { cause: error });
  }
  if (
    /Cannot (read|set|destructure|convert)|is not (a function|iterable|defined)|Maximum call stack/.test(error.message)
  ) {
    throw new Error("it fails by a mistake of its own", { cause: error });
  }
}

/** Waits for a call, which may fail with what has a code. */
export async function settle(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    checkCoded(error);
  }
}

async function within(timeoutMs: number, run: () => Promise<unknown>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`it is not over after ${timeoutMs} ms`)), timeoutMs);
  try {
    await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
