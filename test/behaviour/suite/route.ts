import type { Client } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import type { Connection, MethodKind } from "plugboard";
import { describe, expect } from "vitest";
import type { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** A route as the parts of the suite use it. */
export interface OpenRoute {
  /** Whether the route carries a kind of method. */
  carries(kind: MethodKind): boolean;
  client(): Client<typeof BehaviourService>;
  connection(): Connection;
}

/** The ConnectError that something rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!("error" in outcome)) {
    throw new Error("the call did not fail");
  }
  expect(outcome.error).toBeInstanceOf(ConnectError);
  return outcome.error as ConnectError;
}

/** What does not hold for a route has its counterpart, so it is left out and not counted as skipped. */
export function describeIf(condition: boolean, name: string, suite: () => void): void {
  if (condition) {
    describe(name, suite);
  }
}
