import { ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";

/** The error that a call, or what leads to one, fails with. Fails if it succeeds. */
export async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!("error" in outcome)) {
    throw new Error("it did not fail");
  }
  expect(outcome.error).toBeInstanceOf(ConnectError);
  return outcome.error as ConnectError;
}
