/** The socket to listen on, from the command line: a path, or `tcp:` and a port of the loopback interface. */
export const socketPath = process.argv[2] ?? "";

/** Tells the benchmark that the server listens. It ends by itself, so that the compile cache is written. */
export function tellListening(): void {
  process.on("SIGTERM", () => process.exit(0));
  console.log(`listens on ${socketPath}`);
}
