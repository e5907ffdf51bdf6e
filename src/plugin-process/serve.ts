import type { DescMessage } from "@bufbuild/protobuf";
import type { LogEntry } from "../base/log.ts";
import { createLog, formatLogEntry } from "../base/log.ts";
import { createRecordWriter } from "../go-plugin/hclog/console.ts";
import { outliveReader } from "../node/own-streams.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { announce } from "./announce.ts";
import { choosePlace } from "./choose-place.ts";
import { describeFailure } from "./describe-failure.ts";
import { beginLife } from "./lifetime.ts";
import { readStart } from "./read-start.ts";
import type { ServeOptions } from "./serve-options.ts";
import { checkServeOptions, defaultGracePeriodMs } from "./serve-options.ts";
import { startServing } from "./start-serving.ts";
import { usage } from "./usage.ts";

/**
 * Makes this process a plugin process. Started by a host, it responds with the handshake; started with
 * `--listen unix:/path` or `--listen tcp:127.0.0.1:4000` it stands alone; otherwise it says how to run it and exits. With
 * TLS, and `auth` or certificates on both sides, or behind a proxy, it may listen on other interfaces, too.
 * It ends by itself, with code 0, on SIGTERM, on SIGINT if it stands alone, and when its host is gone.
 *
 * An error that keeps it from starting is printed to stderr, and the process exits with code 1.
 */
export async function serve<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: ServeOptions<Config> = {},
): Promise<void> {
  outliveReader(process.stdout);
  outliveReader(process.stderr);
  try {
    await serveOrThrow(plugin, options);
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    process.exit(1);
  }
}

async function serveOrThrow<Config extends DescMessage>(plugin: Plugin<Config>, options: ServeOptions<Config>) {
  checkServeOptions(options);
  const start = readStart(plugin, options);
  if (start === undefined) {
    process.stderr.write(usage(plugin));
    process.exit(1);
  }
  const { launch, settings, endsWithStdin } = start;
  const hosted = launch.kind === "hosted";
  const log = createLog(settings.PLUGIN_LOG_LEVEL, entriesToStderr(plugin, hosted));
  const place = await choosePlace(plugin, launch, settings, options, log);
  const lifetime = await beginLife({
    gracePeriodMs: options.gracePeriodMs ?? defaultGracePeriodMs,
    hosted,
    endsWithStdin,
    shutdownFile: settings.PLUGIN_SHUTDOWN_FILE_PATH,
    log,
    onExit: place.remove,
  });
  const { address, goPlugin } = await startServing(plugin, start, place, lifetime, options, log);
  announce(plugin, launch, address, place.tls?.certificate);
  goPlugin.takeOutput?.();
}

/**
 * Writes structured lines of the log to stderr, as what is printed to stdout is for what has started the process. To the real
 * one: under a host written with go-plugin, what is printed to `process.stderr` later goes another way.
 */
function entriesToStderr({ name }: Plugin, hosted: boolean): (entry: LogEntry) => void {
  const toStderr = process.stderr.write.bind(process.stderr);
  if (hosted) {
    return createRecordWriter(name, toStderr);
  }
  return (entry) => {
    toStderr(`${formatLogEntry(entry)}\n`);
  };
}
