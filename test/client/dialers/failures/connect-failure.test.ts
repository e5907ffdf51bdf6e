import * as http from "node:http";
import { expect, test } from "vitest";
import { connectFailure } from "../../../../src/client/dialers/failures/connect-failure.ts";
import { startRawServer, vacantAddress } from "../../../support/local-server.ts";

/** What a request by each of Node's HTTP clients fails with. */
const clients: readonly [string, (url: string) => Promise<unknown>][] = [
  [
    "Node's HTTP client",
    (url) =>
      new Promise((resolve) => {
        http.get(url, () => resolve(undefined)).once("error", resolve);
      }),
  ],
  [
    "Node's fetch",
    (url) =>
      fetch(url).then(
        () => undefined,
        (error: unknown) => error,
      ),
  ],
];

const refused = { syscall: "connect", code: "ECONNREFUSED" };

test.each(clients)("connectFailure finds what %s says of a connection that was refused", async (_client, request) => {
  const url = await vacantAddress("http");
  expect(connectFailure(await request(url))).toMatchObject(refused);
  // A host with several addresses, of which none responds.
  expect(connectFailure(await request(url.replace("127.0.0.1", "localhost")))).toMatchObject({ syscall: "connect" });
});

test.each(clients)("connectFailure finds what %s says of a host that is not there", async (_client, request) => {
  // Too long a label for any name server to be asked.
  const error = await request(`http://${"a".repeat(64)}.invalid`);
  expect(connectFailure(error)).toMatchObject({ syscall: "getaddrinfo" });
});

test.each(clients)("connectFailure finds nothing when %s lost a connection", async (_client, request) => {
  await using server = await startRawServer("http", (socket) => void socket.once("data", () => socket.destroy()));
  const error = await request(server.address);
  expect(error).toBeInstanceOf(Error);
  expect(connectFailure(error)).toBeUndefined();
});

test("connectFailure finds nothing if one of several addresses was reached", () => {
  const failed = Object.assign(new Error("connect ECONNREFUSED"), refused);
  const reset = Object.assign(new Error("read ECONNRESET"), { syscall: "read", code: "ECONNRESET" });
  expect(connectFailure(new AggregateError([failed, failed], "all failed"))).toBe(failed);
  expect(connectFailure(new AggregateError([failed, reset], "all failed"))).toBeUndefined();
  expect(connectFailure(new AggregateError([], "all failed"))).toBeUndefined();
});

test.each<unknown>([undefined, null, "connect", { syscall: "connect" }, new Error("connect")])(
  "connectFailure finds nothing in what is no such error: %s",
  (error) => {
    expect(connectFailure(error)).toBeUndefined();
  },
);
