import type { Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { makeCertificate } from "../../support/tls/certificates.ts";
import { makeParties } from "../../support/tls/parties.ts";
import { startListener } from "../../support/tls/start-listener.ts";
import { ways } from "../../support/tls/strategies.ts";

const { server, mutual, trusted } = await makeParties();

describe.each(["unix", "tcp"] as const)("over %s", (carrier) => {
  test.each<[string, Requirements]>([...ways])("calls are made in TLS by %s", async (name, require) => {
    await using listener = await startListener(carrier, mutual());
    await using connection = await connect(listener.address, {
      tls: trusted(),
      require: { ...require, encryption: true },
    });
    const [route] = connection.routes.unary.routes;
    expect(route).toMatchObject({ name: `${carrier}+${name}`, endpoint: { encrypted: true } });
    const data = new Uint8Array(1_000_000).fill(7);
    const response = await connection.client(BehaviourService).echo({ text: "hi", data });
    expect(response.text).toBe("hi");
    expect(Buffer.compare(response.data, data)).toBe(0);
  });

  test("a bidi stream goes both ways by turns, by ttrpc and by grpc", async () => {
    await using listener = await startListener(carrier, mutual());
    for (const protocol of ["ttrpc", "grpc"] as const) {
      await using connection = await connect(listener.address, { tls: trusted(), require: { protocols: [protocol] } });
      const turns: string[] = [];
      let next = Promise.withResolvers<void>();
      async function* requests() {
        for (const turn of ["1", "2", "3"]) {
          yield { text: turn };
          await next.promise;
          next = Promise.withResolvers();
        }
      }
      for await (const response of connection.client(BehaviourService).converse(requests())) {
        turns.push(response.text);
        next.resolve();
      }
      expect(turns).toEqual(["1", "2", "3"]);
    }
  });

  test("the manifest says of every endpoint that it is encrypted, and all of them are", async () => {
    await using listener = await startListener(carrier, mutual());
    await using connection = await connect(listener.address, { tls: trusted() });
    expect(connection.manifest?.endpoints.map(({ encrypted }) => encrypted)).not.toContain(false);
    expect(connection.routes.unary.routes.map(({ endpoint }) => endpoint.encrypted)).toEqual([true, true, true, true]);
  });
});

describe("a server's name", () => {
  test.each([
    ["a host's name", { name: "localhost", addressOf: (port: number) => `tcp:localhost:${port}`, more: {} }],
    ["an IP address", { name: "127.0.0.1", addressOf: (port: number) => `tcp:127.0.0.1:${port}`, more: {} }],
    [
      "a name that the caller says",
      {
        name: "plugin.internal",
        addressOf: (port: number) => `tcp:127.0.0.1:${port}`,
        more: { serverName: "plugin.internal" },
      },
    ],
    [
      "an address that the caller says",
      { name: "192.0.2.1", addressOf: (port: number) => `tcp:127.0.0.1:${port}`, more: { serverName: "192.0.2.1" } },
    ],
  ])("can be %s", async (_, { name, addressOf, more }) => {
    const named = await makeCertificate({ name });
    await using listener = await startListener("tcp", named);
    const port = Number(listener.address.split(":").at(-1));
    await using connection = await connect(addressOf(port), { tls: { roots: named.certificate, ...more } });
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });

  test("a certificate for a host's name is none for its address", async () => {
    await using listener = await startListener("tcp", server);
    const address = listener.address.replace("localhost", "127.0.0.1");
    await expect(connect(address, { tls: trusted() })).rejects.toMatchObject({ errorCode: "PB-TLS-NAME" });
  });
});

test("certificates that a root has issued are as good as the root", async () => {
  const root = await makeCertificate({ name: "root.example.com" });
  const [forServer, forClient] = await Promise.all([
    makeCertificate({ issuer: root }),
    makeCertificate({ name: "client.example.com", issuer: root }),
  ]);
  await using listener = await startListener("tcp", { ...forServer, clientRoots: root.certificate });
  await using connection = await connect(listener.address, { tls: { ...forClient, roots: root.certificate } });
  expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
});
