import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { NotesService } from "../../examples/gen/examples/notes/v1/notes_pb.ts";
import { startStandalone } from "../support/standalone.ts";

const serve = ["node", "--conditions=plugboard-source", "examples/notes/serve.ts"] as const;
const token = "swordfish-0123456789";

test("everybody may read the notes, and who has the token may write them", async () => {
  const plugin = await startStandalone(serve, "tcp:127.0.0.1:0", { NOTES_TOKEN: token });
  const url = plugin.address.replace("tcp:", "http://");
  const call = (method: string, body: object) =>
    fetch(`${url}/examples.notes.v1.NotesService/${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  try {
    expect(await (await call("List", {})).json()).toEqual({});
    expect((await call("Add", { text: "hi" })).status).toBe(401);
    await using connection = await connect(url, { token });
    await connection.client(NotesService).add({ text: "hi" });
    expect(await (await call("List", {})).json()).toEqual({ notes: [{ text: "hi", author: "the editor" }] });
  } finally {
    expect(await plugin.stop()).toBe(0);
  }
});

test("without a token to know callers by, it does not start", async () => {
  await expect(startStandalone(serve, "tcp:127.0.0.1:0", { NOTES_TOKEN: "" })).rejects.toThrow("did not start");
});
