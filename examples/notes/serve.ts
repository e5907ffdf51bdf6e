import { bearer } from "plugboard";
import { serve } from "plugboard/node";
import plugin from "./plugin.ts";

const { NOTES_TOKEN = "" } = process.env;

await serve(plugin, { auth: bearer(NOTES_TOKEN, { subject: "the editor", scopes: ["notes.write"] }) });
