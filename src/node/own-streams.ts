const keptAlive = new WeakSet<NodeJS.WriteStream>();

/**
 * Keeps the process alive when its output is not read any more: the line is lost, as with console.error(). Without it
 * the first line after the end of a log collector is an uncaught EPIPE.
 */
export function outliveReader(stream: NodeJS.WriteStream): void {
  if (!keptAlive.has(stream)) {
    keptAlive.add(stream);
    stream.on("error", () => undefined);
  }
}
