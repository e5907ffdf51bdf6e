// A plugin process.
import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";

await serve(definePlugin({ name: "consumer", version: "1.0.0", routes() {} }));
