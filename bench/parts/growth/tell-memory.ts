// Imported before a server's program: tells its parent of its memory when it is asked.
import { collectMemory } from "./own-memory.ts";

process.on("message", async () => process.send?.({ value: await collectMemory() }));
// The server decides when it ends.
process.channel?.unref();
