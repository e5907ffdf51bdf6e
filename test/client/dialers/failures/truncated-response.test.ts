import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { BehaviourService } from "../../../gen/plugboard/test/v1/behaviour_pb.ts";
import { startRpcServer } from "../../../support/local-server.ts";

test.each([
  ["in the middle of a message", Buffer.of(0, 0, 0, 0, 5, 1)],
  ["in the middle of a message's length", Buffer.of(0, 0)],
  ["without saying how the call has ended", Buffer.of(0, 0, 0, 0, 0)],
])("a response that ends %s is the server's fault", async (_, body) => {
  await using server = await startRpcServer({
    place: "http",
    httpVersion: "1.1",
    intercept(request, response) {
      const asked = request.url === `/${BehaviourService.typeName}/Produce`;
      if (asked) {
        request.resume();
        response.writeHead(200, { "Content-Type": "application/connect+proto" }).end(body);
      }
      return asked;
    },
  });
  for (const options of [{}, { fetch }]) {
    await using connection = await connect(server.address, options);
    const responses = connection.client(BehaviourService).produce({ count: 1 });
    await expect(Array.fromAsync(responses)).rejects.toMatchObject({ code: Code.Internal });
  }
});

test("an error of the server stays as it is, whatever it says", async () => {
  await using server = await startRpcServer({
    place: "http",
    httpVersion: "1.1",
    intercept(request, response) {
      const asked = request.url === `/${BehaviourService.typeName}/Inspect`;
      if (asked) {
        request.resume();
        const error = { code: "invalid_argument", message: "protocol error: incomplete envelope" };
        response.writeHead(400, { "Content-Type": "application/json" }).end(JSON.stringify(error));
      }
      return asked;
    },
  });
  await using connection = await connect(server.address);
  await expect(connection.client(BehaviourService).inspect({})).rejects.toMatchObject({ code: Code.InvalidArgument });
});
