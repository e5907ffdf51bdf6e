import { create } from "@bufbuild/protobuf";
import { callerKey, definePlugin } from "plugboard";
import { type Note, NoteSchema, NotesService } from "../gen/examples/notes/v1/notes_pb.ts";

/** Keeps notes in memory. Who may do what stands in the contract; who has done it, in the call's context values. */
export default definePlugin({
  name: "notes",
  version: "1.0.0",
  description: "Keeps notes that everybody may read, and some may write",
  routes(router) {
    const notes: Note[] = [];
    router.service(NotesService, {
      list: () => ({ notes }),
      add({ text }, { values }) {
        const note = create(NoteSchema, { text, author: values.get(callerKey)?.subject ?? "anonymous" });
        notes.push(note);
        return { note };
      },
    });
  },
});
