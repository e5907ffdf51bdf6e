import type { Connection, ConnectOptions } from "plugboard";
import { connect, Host } from "plugboard/node";
import { expect, test } from "vitest";
import plugin from "../../behaviour/plugin.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

const command = [process.execPath, "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;
const protocols = ["ttrpc", "grpc", "connect"] as const;

/** What deadline a handler sees, in milliseconds; -1 for none. */
const given = async (connection: Connection, timeoutMs?: number) => {
  const options = timeoutMs === undefined ? {} : { timeoutMs };
  return (await connection.client(BehaviourService).inspect({}, options)).timeoutMs;
};

async function expectDefault(connection: Connection, longest: number) {
  expect(await given(connection)).toBeGreaterThan(longest / 2);
  expect(await given(connection)).toBeLessThanOrEqual(longest);
  // A call's own goes before, and 0 is none.
  expect(await given(connection, 2 * longest)).toBeGreaterThan(longest);
  expect(await given(connection, 0)).toBe(-1);
}

test("calls without a deadline have the connection's, in process", async () => {
  await using connection = await connect(plugin, { timeoutMs: 60_000 });
  await expectDefault(connection, 60_000);
  await using without = await connect(plugin, { timeoutMs: 0 });
  expect(await given(without)).toBe(-1);
});

test.each(protocols)("calls without a deadline have the host's, or that of their plugin, over %s", async (protocol) => {
  const options = { command, require: { protocols: [protocol] } } satisfies ConnectOptions & {
    command: typeof command;
  };
  await using host = new Host({ timeoutMs: 60_000 });
  await expectDefault(await host.load(options), 60_000);
  await expectDefault(await host.load({ ...options, timeoutMs: 90_000 }), 90_000);
  expect(await given(await host.load({ ...options, timeoutMs: 0 }))).toBe(-1);
});

test("streams have it, too, and end by it", async () => {
  await using connection = await connect(plugin, { timeoutMs: 50 });
  const hanging = connection.client(BehaviourService).hang({ id: "default-timeout" });
  await expect(hanging).rejects.toThrow("[deadline_exceeded]");
  // It goes on for ever, but no one reads it.
  const stream = connection.client(BehaviourService).converse(
    (async function* () {
      yield { text: "one" };
      await new Promise(() => undefined);
    })(),
  );
  await expect(Array.fromAsync(stream)).rejects.toThrow("[deadline_exceeded]");
});
