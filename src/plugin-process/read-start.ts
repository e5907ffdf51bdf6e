import type { DescMessage } from "@bufbuild/protobuf";
import { withoutHandshake } from "../go-plugin/handshake.ts";
import type { PluginSettings } from "../go-plugin/settings/read.ts";
import { cookieOf } from "../go-plugin/settings/read.ts";
import { readConfigText } from "../plugin/config.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import type { Launch } from "./launch.ts";
import { readLaunch } from "./launch.ts";
import type { ServeOptions } from "./serve-options.ts";
import { readServeSettings } from "./serve-options.ts";

/** The options and the environment of this process's start. */
export interface Start<Config extends DescMessage> {
  readonly launch: Launch;
  readonly settings: PluginSettings;
  /** The plugin's `context.env`, without the handshake's variables. */
  readonly env: NodeJS.ProcessEnv;
  readonly config: ConfigInit<Config> | undefined;
  /** True if the process's stdin ends with its host. */
  readonly endsWithStdin: boolean;
}

/**
 * Reads environment and command line, and takes the handshake out of the environment: what this process starts has one of
 * its own, if any.
 * @returns Undefined if neither says how to serve.
 * @throws PlugboardError PB-SETTING-INVALID, PB-OPTION-UNKNOWN, PB-COMMAND-LINE, PB-COOKIE-INVALID, PB-COOKIE-MISMATCH, PB-CONFIG-INVALID
 */
export function readStart<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: ServeOptions<Config>,
): Start<Config> | undefined {
  const { args = process.argv.slice(2), handshake } = options;
  const { env } = process;
  const settings = readServeSettings(options, env);
  const cookie = handshake?.cookie ?? cookieOf(settings);
  const launch = readLaunch(plugin, env, args, settings, cookie);
  if (launch === undefined) {
    return undefined;
  }
  const { PLUGBOARD_PARENT: parent, PLUGBOARD_CONFIG: configText } = env;
  const own = withoutHandshake(env, cookie?.key);
  for (const name of Object.keys(env).filter((each) => !(each in own))) {
    delete env[name];
  }
  const config =
    options.config ?? (configText ? readConfigText(plugin.config, configText, "PLUGBOARD_CONFIG") : undefined);
  return { launch, settings, env: own, config, endsWithStdin: launch.kind === "hosted" && parent === "stdin" };
}
