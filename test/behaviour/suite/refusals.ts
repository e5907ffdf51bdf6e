import { Code } from "@connectrpc/connect";
import type { Connection, ConnectOptions, MethodKind } from "plugboard";
import { isPlugboardError } from "plugboard";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";
import type { Refusal } from "../refusals.ts";
import { refusals } from "../refusals.ts";
import { tokens } from "../refusing/options.ts";

/** A way to the plugin whose refusals are looked at. */
export interface RefusingRoute {
  readonly name: string;
  /** The kinds of method that it can't carry. */
  readonly lacks?: readonly MethodKind[];
  /** What can happen on it beyond what can on all. */
  readonly also: readonly NonNullable<Refusal["only"]>[];
  connect(mood: Refusal["mood"], options: ConnectOptions, host?: string): Promise<Connection>;
}

/** A refusal of a gate or a limit has the same error over every route, and the next call works. */
export function describeRefusals({ name, lacks = [], also, connect }: RefusingRoute) {
  describe(`what is refused over ${name}`, () => {
    for (const refusal of refusals.faults) {
      const {
        fault,
        code,
        errorCode,
        host,
        kind = "unary",
        only,
        mood,
        unsent,
        retryAfter,
        takesTime,
        provoke,
      } = refusal;
      if (lacks.includes(kind) || (only !== undefined && !also.includes(only))) {
        continue;
      }
      const run = takesTime ? test.concurrent : test;
      run(`${fault}: ${Code[code]}`, async () => {
        const known = { token: tokens.known, ...refusal.connect };
        await using connection = await connect(mood, host === undefined ? known : {}, host);
        const client = connection.client(BehaviourService);
        const id = `refused-${crypto.randomUUID()}`;
        const error = await rejection(provoke(client, new Headers({ "x-request-id": id }), connection));
        expect([Code[error.code], isPlugboardError(error) ? error.errorCode : undefined]).toEqual([
          Code[code],
          errorCode,
        ]);
        expect(error.message + JSON.stringify([...error.metadata])).not.toContain("swordfish");
        if (!unsent) {
          expect(error.metadata.get("x-request-id")).toBe(id);
        }
        expect(Number(error.metadata.get("retry-after")) > 0).toBe(retryAfter === true);
        await using next = host === undefined ? undefined : await connect(mood, known);
        const { text } = await (next?.client(BehaviourService) ?? client).echo({ text: "still here" });
        expect(text).toBe("still here");
      });
    }
  });
}
