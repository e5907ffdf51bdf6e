import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { readConfigText } from "../plugin/config.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { isPlugboardError, PlugboardError } from "../plugin/errors.ts";
import { createManifest } from "../plugin/manifest.ts";
import { pickProtocolVersion } from "../plugin/protocol-version.ts";
import { startPlugin } from "../plugin/running-plugin.ts";
import { pluginServiceRoutes } from "../services/plugin-service.ts";
import { maxConcurrentCalls } from "../ttrpc/serving.ts";
import { formatHandshake, magicCookie, parseVersions, withoutHandshake } from "./handshake.ts";
import type { ListenAddress } from "./listen-address.ts";
import { formatListenAddress, listenerEndpoints, parseListenAddress } from "./listen-address.ts";
import { listen } from "./listener.ts";
import { checkSocketDirectory, makeSocketDirectory } from "./socket-directory.ts";

/** How to serve. */
export interface ServeOptions<Config extends DescMessage = DescMessage> {
  /** The configuration. Default: the JSON in the environment variable PLUGBOARD_CONFIG, or none. */
  readonly config?: MessageInitShape<Config>;
  /** How long calls in flight may take after the plugin was told to stop, in milliseconds. Default: 5,000. */
  readonly gracePeriodMs?: number;
  /** Largest request message, in bytes. Default: 4 MiB. */
  readonly maxMessageBytes?: number;
  /** Origins whose pages may call, such as "https://app.example.com", where the plugin listens on TCP. Default: none. */
  readonly origins?: readonly string[];
  /** The command line, without interpreter and script. Default: that of the process. */
  readonly args?: readonly string[];
}

/** Protocols that a handshake can name, and that the listener serves. */
const handshakeProtocols = ["ttrpc", "grpc", "connect"] as const;

/**
 * Makes this process a plugin process. Started by a host, it answers with the handshake; started with
 * `--listen unix:/path` or `--listen tcp:127.0.0.1:4000` it stands alone; otherwise it says how to run it and exits.
 * It ends by itself, with code 0, on SIGTERM, on SIGINT if it stands alone, and when its host is gone.
 *
 * What keeps it from starting is printed to stderr, and the process exits with code 1.
 */
export async function serve<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: ServeOptions<Config> = {},
): Promise<void> {
  try {
    await serveOrThrow(plugin, options);
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    process.exit(1);
  }
}

/** Our own errors say all in their message; what the plugin's own code threw needs its stack. */
function describeFailure(error: unknown): string {
  if (!isPlugboardError(error)) {
    return stacksOf(error);
  }
  const ofPlugin = error.errorCode === "PB-PLUGIN-START" || error.errorCode === "PB-PLUGIN-ROUTES";
  return ofPlugin ? `${error.rawMessage}\nCaused by: ${stacksOf(error.cause)}` : error.rawMessage;
}

/** The stack of an error and of its causes, but not their properties: there could be secrets in them. */
function stacksOf(error: unknown): string {
  const seen = new Set<unknown>();
  const stacks: string[] = [];
  for (let each = error; each !== undefined && !seen.has(each); each = each instanceof Error ? each.cause : undefined) {
    seen.add(each);
    stacks.push(each instanceof Error ? (each.stack ?? String(each)) : String(each));
  }
  return stacks.join("\nCaused by: ");
}

async function serveOrThrow<Config extends DescMessage>(plugin: Plugin<Config>, options: ServeOptions<Config>) {
  const { gracePeriodMs = 5_000, maxMessageBytes = 4 * 1024 * 1024, args = process.argv.slice(2) } = options;
  const { env } = process;
  const listenAt = readListenOption(args);
  const hosted = env[magicCookie.key] === magicCookie.value;
  if (!hosted && listenAt === undefined) {
    process.stderr.write(introduction(plugin));
    process.exit(1);
  }
  const wanted = env.PLUGIN_PROTOCOL_VERSIONS
    ? parseVersions("PLUGIN_PROTOCOL_VERSIONS", env.PLUGIN_PROTOCOL_VERSIONS)
    : [];
  const protocolVersion = pickProtocolVersion(plugin.protocolVersions, wanted) ?? Math.min(...plugin.protocolVersions);
  if (hosted && env.PLUGIN_CLIENT_CERT) {
    throw new PlugboardError(
      "PB-HANDSHAKE-UNSUPPORTED",
      "the host wants TLS (PLUGIN_CLIENT_CERT), which is not built yet",
      {
        hint: "Switch automatic TLS off in the host; the Unix socket's directory keeps other users out.",
      },
    );
  }
  const config =
    options.config ??
    (env.PLUGBOARD_CONFIG ? readConfigText(plugin.config, env.PLUGBOARD_CONFIG, "PLUGBOARD_CONFIG") : undefined);

  const place =
    listenAt === undefined
      ? createSocketPlace(env.PLUGIN_UNIX_SOCKET_DIR || undefined)
      : { address: listenAt, remove() {} };
  // Also when the process crashes.
  process.once("exit", place.remove);
  // Until it listens there is nothing to wait for.
  let end = (_graceMs: number): void => process.exit(0);
  process.on("SIGTERM", () => end(gracePeriodMs));
  // Ctrl-C reaches the whole process group; a host decides for its plugins itself.
  process.on("SIGINT", () => hosted || end(gracePeriodMs));
  if (hosted && env.PLUGBOARD_PARENT === "stdin") {
    const hostGone = () => end(0);
    process.stdin.on("end", hostGone).on("close", hostGone).on("error", hostGone).resume();
  }

  const manifest = createManifest(plugin, {
    protocolVersion,
    endpoints: listenerEndpoints(place.address),
    limits: { maxMessageBytes: BigInt(maxMessageBytes), maxConcurrentStreams: maxConcurrentCalls },
  });
  const running = await startPlugin(plugin, {
    env: withoutHandshake(env),
    standardRoutes: [pluginServiceRoutes(manifest)],
    ...(config && { config }),
  });
  const { origins = [] } = options;
  const listener = await listen(running, place.address, { maxMessageBytes, origins }).catch(async (error: unknown) => {
    await running.stop();
    throw error;
  });

  let ending = false;
  end = (graceMs) => {
    if (ending) {
      return;
    }
    ending = true;
    // A stop hook or a peer that hangs must not keep the process.
    setTimeout(() => process.exit(0), graceMs + 2_000).unref();
    void listener
      .drain(graceMs)
      .then(() => running.stop())
      .catch((error: unknown) => process.stderr.write(`stopping: ${String(error)}\n`))
      .finally(() => process.exit(0));
  };

  const text = formatListenAddress(listener.address);
  if (!hosted) {
    process.stdout.write(`${plugin.name} ${plugin.version} listens on ${text}\n`);
    return;
  }
  const handshake = formatHandshake({
    appProtocolVersion: protocolVersion,
    network: listener.address.carrier,
    address:
      listener.address.carrier === "unix" ? listener.address.path : `${listener.address.host}:${listener.address.port}`,
    protocol:
      env.PLUGBOARD_PROTOCOLS?.split(",").find((each) => handshakeProtocols.some((known) => known === each)) ?? "grpc",
    certificate: "",
  });
  process.stdout.write(`${handshake}\n`);
}

function readListenOption(args: readonly string[]): ListenAddress | undefined {
  // Other options are the plugin's own business.
  const { values } = parseArgs({ args: [...args], options: { listen: { type: "string" } }, strict: false });
  if (values.listen === undefined) {
    return undefined;
  }
  if (typeof values.listen !== "string") {
    throw new PlugboardError("PB-COMMAND-LINE", "--listen has no value");
  }
  return parseListenAddress(values.listen);
}

function introduction({ name, version }: Plugin): string {
  const script = path.relative(process.cwd(), process.argv[1] ?? "plugin.js");
  const command = ["node", ...process.execArgv, script];
  return [
    `${name} ${version} is a Plugboard plugin. A host starts it; run by hand it has nobody to talk to.`,
    `From a program:  await new Host().load({ command: ${JSON.stringify(command)} })`,
    `Standing alone:  ${[...command, "--listen", `unix:${path.join(os.tmpdir(), `${name}.sock`)}`].map(shellWord).join(" ")}`,
    "",
  ].join("\n");
}

/** Chooses a socket in a directory that only this user can enter, and knows how to remove what was made for it. */
function createSocketPlace(directory: string | undefined) {
  if (directory !== undefined) {
    checkSocketDirectory(directory);
  }
  const parent = directory ?? makeSocketDirectory();
  const socket = path.join(parent, `p${process.pid}.sock`);
  const remove = () => {
    try {
      fs.rmSync(socket, { force: true });
      // A Plugboard host makes one directory for each plugin; if the host was killed, nobody else removes it.
      if (directory === undefined || process.env.PLUGBOARD_PARENT === "stdin") {
        fs.rmdirSync(parent);
      }
    } catch {
      // Not empty, out of reach, or the host was faster. It changes nothing about how this process ends.
    }
  };
  return { address: { carrier: "unix", path: socket } as const, remove };
}

/** A word as a shell takes it. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
