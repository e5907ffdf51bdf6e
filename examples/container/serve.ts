import { bearer } from "plugboard";
import { serve } from "plugboard/node";
import plugin from "../notes/plugin.ts";

/** The words of a list with commas between them. */
const list = (text = "") => text.split(",").filter((each) => each !== "");

const { NOTES_TOKEN = "", HOSTS, PROXIES } = process.env;

await serve(plugin, {
  auth: bearer(NOTES_TOKEN, { subject: "the editor", scopes: ["notes.write"] }),
  hosts: list(HOSTS),
  behindProxy: { from: list(PROXIES) },
});
