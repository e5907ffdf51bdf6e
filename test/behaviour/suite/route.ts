import type { Client } from "@connectrpc/connect";
import type { Connection, MethodKind } from "plugboard";
import { describe } from "vitest";
import type { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** A route as the parts of the suite use it. */
export interface OpenRoute {
  /** True if the route carries a kind of method. */
  carries(kind: MethodKind): boolean;
  client(): Client<typeof BehaviourService>;
  connection(): Connection;
}

/** What does not hold for a route has its counterpart, so it is left out and not counted as skipped. */
export function describeIf(condition: boolean, name: string, suite: () => void): void {
  if (condition) {
    describe(name, suite);
  }
}
