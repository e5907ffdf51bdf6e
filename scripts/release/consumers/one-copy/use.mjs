// Errors of a plugin in this process, of one in a process of its own, and of Plugboard's own, as the caller's copy of Connect
// knows them.
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { connect, isPlugboardError } from "plugboard";
import { Host } from "plugboard/node";
import plugin from "./plugin.mjs";
import { FailingService } from "./service.mjs";

async function errorOf(call) {
  try {
    await call;
  } catch (error) {
    assert(error instanceof ConnectError, `${error} is no ConnectError here`);
    assert.equal(ConnectError.from(error), error);
    return error;
  }
  assert.fail("the call has not failed");
}

async function checkCalls(connection) {
  const error = await errorOf(connection.client(FailingService).fail({}));
  assert.equal(error.code, Code.NotFound);
  assert.equal(error.rawMessage, "there is none");
  assert.equal(error.metadata.get("X-Looked"), "everywhere");
}

const connection = await connect(plugin);
await checkCalls(connection);
await connection.close();
const closed = await errorOf(connection.client(FailingService).fail({}));
assert(isPlugboardError(closed, "PB-CONNECTION-CLOSED"));

const host = new Host();
try {
  await checkCalls(await host.load({ command: [process.execPath, "serve.mjs"] }));
} finally {
  await host.close();
}
