import { Code } from "@connectrpc/connect";
import type { Connection, Protocol } from "plugboard";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";
import { startStandalone } from "../../support/standalone.ts";
import { type PeerCheck, runPeer } from "./peer-process.ts";

/** A server of the behaviour contract that others wrote the library for. */
export interface ForeignServer {
  readonly name: string;
  readonly protocol: Exclude<Protocol, "none">;
  /** Has an address at which it is found without a name of the protocol, too. Default: true. */
  readonly discovered?: boolean;
  /** Kinds of method that it does not have. */
  readonly lacks?: readonly ("streams" | "bidi" | "deadline")[];
  /** Starts it, and gives its address, or the connection itself where a host has made it. */
  start(): Promise<AsyncDisposable & ({ readonly address: string } | { readonly connection: Connection })>;
}

/** Asserts that our client is understood by the server. */
export function describeForeignServer({ name, protocol, discovered = true, lacks = [], start }: ForeignServer): void {
  describe(`our client and ${name}`, () => {
    let server: Awaited<ReturnType<ForeignServer["start"]>>;
    let connection: Connection;
    beforeAll(async () => {
      server = await start();
      connection =
        "connection" in server
          ? server.connection
          : await connect(server.address, { require: { protocols: [protocol] } });
    });
    afterAll(async () => {
      await connection?.close();
      await server?.[Symbol.asyncDispose]();
    });
    const client = () => connection.client(BehaviourService);

    test.runIf(discovered)("discovery finds it without the name of the protocol", async () => {
      await using found = await connect("address" in server ? server.address : []);
      expect((await found.client(BehaviourService).echo({ text: "found" })).text).toBe("found");
    });

    test("a unary call carries its messages", async () => {
      const data = new Uint8Array(500_000).fill(7);
      const response = await client().echo({ text: "grüße", data });
      expect(response.text).toBe("grüße");
      expect(Buffer.compare(response.data, data)).toBe(0);
    });

    test("metadata arrives", async () => {
      const { header } = await client().inspect({}, { headers: { "x-behaviour": "one" }, timeoutMs: 10_000 });
      expect(header).toBe("one");
    });

    test.each(Array.from({ length: 16 }, (_, index) => index + 1))("error code %i arrives", async (code) => {
      const error = await rejection(client().fail({ code, message: "grüße" }));
      expect(error).toMatchObject({ code, rawMessage: "grüße" });
    });

    test.skipIf(lacks.includes("deadline"))(
      "a call ends at its deadline, and the next one gets its response",
      async () => {
        const error = await rejection(client().hang({ id: "deadline" }, { timeoutMs: 200 }));
        expect(error.code).toBe(Code.DeadlineExceeded);
        expect((await client().echo({ text: "next" })).text).toBe("next");
      },
    );

    test.skipIf(lacks.includes("streams"))("a server stream arrives whole", async () => {
      const messages = await Array.fromAsync(client().produce({ count: 200, size: 10_000 }));
      expect(messages.map(({ index }) => index)).toEqual(Array.from({ length: 200 }, (_, index) => index));
    });

    test.skipIf(lacks.includes("streams"))("a server stream fails after its messages", async () => {
      const seen: number[] = [];
      const read = async () => {
        for await (const { index } of client().produce({ count: 3, failCode: Code.FailedPrecondition })) {
          seen.push(index);
        }
      };
      expect((await rejection(read())).code).toBe(Code.FailedPrecondition);
      expect(seen).toEqual([0, 1, 2]);
    });

    test.skipIf(lacks.includes("streams"))("a client stream arrives whole, without a message more", async () => {
      async function* requests() {
        for (let sent = 0; sent < 50; sent++) {
          yield { data: new Uint8Array(1000) };
        }
      }
      expect(await client().collect(requests())).toMatchObject({ messages: 50, bytes: 50_000n });
    });

    test.skipIf(lacks.includes("streams") || lacks.includes("bidi"))("both sides converse", async () => {
      async function* requests() {
        for (const text of ["one", "two", "three"]) {
          yield { text };
        }
      }
      const responses = await Array.fromAsync(client().converse(requests()));
      expect(responses.map(({ text, index }) => `${index} ${text}`)).toEqual(["0 one", "1 two", "2 three"]);
    });

    test("a hundred calls run at once", async () => {
      const texts = Array.from({ length: 100 }, (_, index) => `${index}`);
      const responses = await Promise.all(texts.map((text) => client().echo({ text })));
      expect(responses.map(({ text }) => text)).toEqual(texts);
    });
  });
}

/** The behaviour plugin, standing alone at an address. */
export function serveOurs(listen: string, env: NodeJS.ProcessEnv = {}) {
  return startStandalone(["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"], listen, env);
}

/** Asserts that all checks of a foreign client hold. */
export async function expectChecks(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const checks = await runPeer(command, env);
  expect(checks.filter(({ ok }: PeerCheck) => !ok)).toEqual([]);
  expect(checks.length).toBeGreaterThan(5);
}
